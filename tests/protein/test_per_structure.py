"""Bonds, torsions, contacts and composition: of ideal chains, real chains and broken ones."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from biotite.structure import dihedral

from gm_multimodal.protein.backbone import ResidueId, unbroken
from gm_multimodal.protein.metrics import bonds, composition, contacts, per_structure, ramachandran
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.residues import RESIDUES, encode
from gm_multimodal.protein.structure import named


def every(chain) -> np.ndarray:
    return np.ones(len(chain) - 1, dtype=bool)


def structure(chain, sequence: str | None = None) -> Structure:
    tokens = encode(sequence or "A" * len(chain))
    return Structure("x", "x.pdb", "A", "0", unbroken(chain.astype(np.float32), tokens))


@pytest.fixture(scope="module")
def real(small_dataset) -> pd.DataFrame:
    return pd.read_parquet(small_dataset)


@pytest.mark.parametrize("angles", [(-57.0, -47.0), (-120.0, 130.0), (60.0, 45.0), (170.0, -170.0)])
def test_torsions_are_those_that_a_chain_was_built_with(build_backbone, angles):
    chain = build_backbone(12, *angles)
    found = ramachandran.phi_psi(chain, every(chain))
    assert found[1:-1] == pytest.approx(np.tile(angles, (10, 1)), abs=1e-4)
    assert np.isnan(found[0, 0])
    assert np.isnan(found[-1, 1])


def test_torsions_agree_with_biotite(real):
    points = np.concatenate([row.coordinates.reshape(-1, 3) for row in real.head(5).itertuples()])
    four = [points[k : len(points) - 3 + k].astype(np.float64) for k in range(4)]
    difference = np.degrees(dihedral(*four)) - bonds.torsions(*four)
    assert np.abs((difference + 180) % 360 - 180).max() < 1e-3  # biotite's precision is single


def test_points_that_meet_have_a_torsion_of_nought():
    a, b, c = np.eye(3)[:, None]
    assert bonds.torsions(a, a, b, c).tolist() == bonds.torsions(a, b, b, c).tolist() == [0.0]


def test_ideal_bonds_are_valid(build_backbone):
    chain = build_backbone(20, -57.0, -47.0)
    assert bonds.peptide_validity(chain, every(chain)) == 1.0
    assert bonds.angle_validity(chain, every(chain)) == 1.0
    assert bonds.omega_shares(chain, every(chain)) == (1.0, 0.0)
    angles = bonds.bond_angles(chain, every(chain))
    expected = {"N-CA-C": 111.0, "CA-C-N": 116.6, "C-N-CA": 121.7}
    for name, angle in expected.items():
        assert angles[name] == pytest.approx(angle, abs=1e-6)


def test_one_stretched_bond_is_one_invalid_bond(build_backbone):
    chain = build_backbone(21, -57.0, -47.0)
    chain[10:] += 0.5 * (chain[10, 0] - chain[9, 2]) / np.linalg.norm(chain[10, 0] - chain[9, 2])
    assert bonds.peptide_validity(chain, every(chain)) == pytest.approx(19 / 20)


def test_rigid_motions_change_no_figure(real):
    rng = np.random.default_rng(0)
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix *= np.sign(np.linalg.det(matrix))
    for row in real.head(5).itertuples():
        chain = row.coordinates.reshape(-1, 4, 3)
        moved = chain @ matrix.T + 20 * rng.normal(size=3)
        before, after = (per_structure.measure(structure(x, row.sequence))[0] for x in (chain, moved))
        # a residue on the edge of a bin may change its side by rounding
        assert after == pytest.approx(before, abs=0.03)


def test_a_mirror_image_leaves_the_ramachandran_regions(real):
    row = real.iloc[0]
    chain = row.coordinates.reshape(-1, 4, 3)
    tokens = encode(row.sequence)
    favoured, allowed = ramachandran.region_shares(ramachandran.phi_psi(chain, every(chain)), tokens)
    mirrored = chain * np.array([1, 1, -1])
    _, mirrored_allowed = ramachandran.region_shares(ramachandran.phi_psi(mirrored, every(chain)), tokens)
    assert favoured > 0.8
    assert allowed > 0.93
    assert mirrored_allowed < 0.4


def test_held_out_chains_fill_the_regions_as_promised(real):
    held_out = real[real.split != "train"]
    found = []
    for row in held_out.itertuples():
        chain = row.coordinates.reshape(-1, 4, 3)
        found.append(ramachandran.regions(ramachandran.phi_psi(chain, every(chain)), encode(row.sequence)))
    regions = np.concatenate(found)
    # some 600 residues, so a standard error of about 0.013 and 0.006, and chains differ by resolution
    assert np.mean(regions == ramachandran.FAVOURED) == pytest.approx(0.90, abs=0.05)
    assert np.mean(regions >= ramachandran.ALLOWED) == pytest.approx(0.98, abs=0.025)


def test_the_smallest_regions_hold_the_shares_with_the_fewest_bins():
    counts = np.array([[50, 30, 0], [15, 4, 1]])
    codes = ramachandran.smallest_regions(counts, favoured=0.80, allowed=0.99)
    assert codes.tolist() == [[2, 2, 0], [1, 1, 0]]


def test_residues_are_classed_by_themselves_before_their_neighbour():
    names = [ramachandran.CLASSES[k] for k in ramachandran.residue_classes(encode("APGPAG"))]
    assert names == ["before_proline", "proline", "glycine", "proline", "general", "glycine"]


def test_the_table_of_regions_is_whole():
    assert ramachandran.reference_regions().shape == (4, 36, 36)
    for codes in ramachandran.reference_regions():
        assert 0 < np.mean(codes == ramachandran.FAVOURED) < np.mean(codes >= ramachandran.ALLOWED) < 0.5


def test_a_gap_of_a_file_is_no_broken_bond(real):
    row = real.iloc[0]
    chain = row.coordinates.reshape(-1, 4, 3)
    keep = np.r_[0:20, 28 : len(chain)]
    labels = tuple(ResidueId("A", int(number)) for number in keep)
    cut = Structure("x", "x.pdb", "A", "0", named(chain[keep], encode(row.sequence)[keep], labels))
    figures, _ = per_structure.measure(cut)
    assert figures["gaps"] == 1
    assert figures["peptide_valid"] == 1.0
    # the same atoms numbered without a jump are a chain with one broken bond
    broken = Structure("x", "x.pdb", "A", "0", unbroken(chain[keep], encode(row.sequence)[keep]))
    figures, _ = per_structure.measure(broken)
    assert figures["gaps"] == 0
    assert figures["peptide_valid"] == pytest.approx(1 - 1 / (len(keep) - 1))


def test_a_gap_of_a_dataset_is_told_by_its_places(real):
    """Residues of a dataset have no numbers: a jump of the places is a gap, across which nothing is bonded."""
    row = real.iloc[0]
    chain = row.coordinates.reshape(-1, 4, 3)
    keep = np.r_[0:20, 28 : len(chain)]
    gapped = dataclasses.replace(unbroken(chain[keep], encode(row.sequence)[keep]), position=keep)
    figures, _ = per_structure.measure(Structure("x", "x.parquet", "A", "0", gapped))
    assert figures["gaps"] == 1
    assert figures["peptide_valid"] == 1.0


def test_every_figure_that_is_absent_has_a_reason(build_backbone):
    figures, reasons = per_structure.measure(structure(build_backbone(1, -57.0, -47.0)))
    assert {column for column, value in figures.items() if value is None} == set(reasons)
    assert all(reasons.values())
    assert list(figures) == list(per_structure.definitions())
    assert figures["peptide_valid"] is None
    assert figures["contact_order"] is None


def test_contacts_of_a_helix_are_its_turns(build_backbone):
    chain = build_backbone(30, -57.0, -47.0)
    assert set(contacts.contact_separations(chain)) == {3, 4}
    assert contacts.relative_contact_order(chain) == pytest.approx(3.5 / 30, rel=0.02)
    assert contacts.relative_contact_order(build_backbone(30, -120.0, 130.0)) is None


def test_contact_order_agrees_with_the_dataset_where_it_says_one(real):
    chain = real.iloc[0].coordinates.reshape(-1, 4, 3)
    distances = contacts.distance_map(chain)
    assert np.allclose(distances, distances.T)
    brute = [(j - i) for i in range(len(chain)) for j in range(i + 3, len(chain)) if distances[i, j] < 8.0]
    assert contacts.relative_contact_order(chain) == pytest.approx(np.mean(brute) / len(chain))
    assert contacts.contacts_per_residue(chain) == pytest.approx(len(brute) / len(chain))


def test_entropy_is_that_of_the_composition():
    assert composition.composition_entropy(encode("A" * 30)) == 0.0
    assert composition.composition_entropy(encode("AG" * 15)) == pytest.approx(1.0)
    assert composition.composition_entropy(encode(RESIDUES)) == pytest.approx(np.log2(20))


def test_low_complexity_is_found_where_it_is(real):
    assert composition.low_complexity_share(encode(RESIDUES * 2)) == 0.0
    assert composition.low_complexity_share(encode("AAGA" * 6)) == 1.0
    mixed = composition.low_complexity_share(encode(RESIDUES + "A" * 20 + RESIDUES))
    assert 20 / 60 <= mixed < 0.75
    assert composition.low_complexity_share(encode("AAAA")) is None
    assert np.mean([composition.low_complexity_share(encode(s)) for s in real.sequence]) < 0.1


def test_the_shipped_table_says_what_it_was_made_from():
    from pathlib import Path

    table = json.loads(Path(ramachandran.__file__).with_suffix(".json").read_text(encoding="utf-8"))
    assert "train split" in table["made_from"]
    assert sum(table["residues"].values()) > 1_000_000
