import numpy as np
import pytest

from gm_multimodal.protein.metrics.geometry import (
    CA,
    ca_ca_distances,
    ca_ca_validity,
    ca_clashes,
    gyration_ratio,
    peptide_bond_lengths,
    radius_of_gyration,
)
from gm_multimodal.protein.structure import read_backbone


def straight(length: int, spacing: float = 3.8) -> np.ndarray:
    backbone = np.zeros((length, 4, 3))
    backbone[:, CA, 0] = spacing * np.arange(length)
    return backbone


def test_consecutive_distances_of_an_ideal_chain(build_backbone):
    # a trans peptide with these bonds and angles spans 3.80 Angstrom, whatever its torsions
    for phi, psi in [(-57, -47), (-120, 130), (60, 40)]:
        np.testing.assert_allclose(ca_ca_distances(build_backbone(10, phi, psi)), 3.80, atol=0.02)


def test_validity_counts_the_distances_within_a_tenth():
    backbone = straight(11)
    backbone[4:, CA, 0] += 0.09
    assert ca_ca_validity(backbone) == 1.0
    backbone[7:, CA, 0] += 0.11
    assert ca_ca_validity(backbone) == pytest.approx(0.9)
    assert ca_ca_validity(straight(1)) == 1.0


def test_clashes_leave_out_neighbours_and_distances_above_three():
    assert ca_clashes(straight(10, spacing=1.4)) == 0  # |i - j| = 2 is 2.8 Angstrom, 3 is 4.2
    backbone = straight(20)
    backbone[15, CA] = backbone[3, CA] + [0.0, 2.9, 0.0]
    assert ca_clashes(backbone) == 1
    backbone[15, CA, 1] = 3.1
    assert ca_clashes(backbone) == 0


def test_radius_of_gyration_of_a_straight_chain():
    expected = 3.8 * np.sqrt((50**2 - 1) / 12)
    assert radius_of_gyration(straight(50)) == pytest.approx(expected)
    assert gyration_ratio(straight(50)) == pytest.approx(expected / (2.2 * 50**0.38))


def test_peptide_bonds_join_the_carbon_to_the_next_nitrogen(build_backbone):
    np.testing.assert_allclose(peptide_bond_lengths(build_backbone(8, -57, -47)), 1.329, atol=1e-9)


def test_nothing_depends_on_the_place(build_backbone):
    near = build_backbone(30, -57, -47).astype(np.float32)
    far = (near + 500.0).astype(np.float32)
    assert ca_ca_validity(far) == ca_ca_validity(near)
    assert radius_of_gyration(far) == pytest.approx(radius_of_gyration(near), abs=1e-3)


@pytest.mark.parametrize("name", ["2zig_B_218", "3c4s_A_1", "3op9_A_6", "3w0e_A_1", "4kmf_A_1"])
def test_real_chains_are_valid_compact_and_free_of_clashes(data_folder, name):
    [chain] = read_backbone(data_folder / f"{name}.pdb")
    assert ca_ca_validity(chain.coordinates) > 0.98
    assert ca_clashes(chain.coordinates) == 0
    assert 0.9 < gyration_ratio(chain.coordinates) < 1.2
    assert peptide_bond_lengths(chain.coordinates).mean() == pytest.approx(1.33, abs=0.01)
