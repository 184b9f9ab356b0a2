"""Shares of secondary structure, and that every part of the project means the same by them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gm_multimodal.app.design.table import table_row
from gm_multimodal.protein.backbone import joined, unbroken
from gm_multimodal.protein.blueprint import blank
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.design import Design
from gm_multimodal.protein.metrics import per_structure
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure, shares
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.preparation.examine import Criteria, examine
from gm_multimodal.protein.preparation.sources import Source
from gm_multimodal.protein.residues import encode
from gm_multimodal.protein.structure import read_backbone

CRITERIA = Criteria("all", "first", "split", "auto", 10, 512, None, None, None, None, 1.0, 10**8)


def test_letters_are_counted():
    found = shares("HHGIEEBTS C")
    assert (found.helix, found.strand, found.coil) == (4 / 11, 3 / 11, 4 / 11)


def test_shares_add_up(small_dataset):
    for row in pd.read_parquet(small_dataset).itertuples():
        found = shares(row.dssp)
        assert found.helix + found.strand + found.coil == pytest.approx(1.0)
        assert found.coil == np.mean([letter not in "GHIEB" for letter in row.dssp])


@pytest.mark.parametrize("name", ["2zig_B_218", "3c4s_A_1", "3op9_A_6"])
def test_designs_prepare_train_and_evaluate_mean_the_same(data_folder, small_dataset, tmp_path, name):
    path = data_folder / f"{name}.pdb"
    [chain] = read_backbone(path)
    expected = shares(secondary_structure(chain))
    [stretch] = examine((Source(path, path.name), CRITERIA)).accepted
    assert stretch.shares == expected
    figures, _ = per_structure.measure(Structure(name, str(path), "A", "0", chain))
    assert [figures[f"dssp_{kind}"] for kind in ("helix", "strand", "coil")] == list(vars(expected).values())
    everywhere = np.ones(len(chain), dtype=bool)
    design = Design(0, blank(len(chain)), chain, np.ones(len(chain), dtype=np.float32), 0.5, everywhere, None)
    row = table_row(design, seed=0, file=path.name, seconds=0.0)
    assert [row[kind] for kind in ("helix", "strand", "coil")] == [f"{x:.4f}" for x in vars(expected).values()]
    table = pd.read_parquet(small_dataset)
    table[table.id == name].drop(columns="dssp").to_parquet(tmp_path / "one.parquet")
    filters = {"split": None, "min_length": 1, "max_length": 1000}
    assert len(read_chains(tmp_path / "one.parquet", **filters, max_coil=expected.coil + 0.05)) == 1
    with pytest.raises(ValueError, match="coil share above"):
        read_chains(tmp_path / "one.parquet", **filters, max_coil=expected.coil - 0.05)


def test_a_sheet_of_two_chains_is_a_sheet(data_folder):
    """A chain cut in a loop behind its first strand keeps that strand, as in the program; the pieces alone lose it."""
    [chain] = read_backbone(data_folder / "3c4s_A_1.pdb")
    whole = secondary_structure(chain)
    first, second = chain[:15], chain[15:]
    together = shares(secondary_structure(joined([first, second]))).strand
    apart = sum(shares(secondary_structure(part)).strand * len(part) for part in (first, second)) / len(chain)
    assert apart < together - 0.05
    assert together == pytest.approx(shares(whole).strand, abs=0.05)


def test_a_gap_ends_a_helix(build_backbone):
    helix = unbroken(build_backbone(20, -57.0, -47.0).astype(np.float32), encode("A" * 20))
    places = np.arange(20)
    gapped = dataclasses.replace(helix, position=places + 3 * (places >= 10))
    assert secondary_structure(helix)[9:11] == "HH"
    assert secondary_structure(gapped)[9:11] == "CC"


def test_an_extended_chain_has_no_bonds(build_backbone):
    chain = build_backbone(20, -120.0, 130.0).astype(np.float32)
    assert shares(secondary_structure(unbroken(chain, encode("A" * 20)))).strand == 0
