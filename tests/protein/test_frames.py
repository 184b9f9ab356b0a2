"""Frames and backbone atoms: there and back, on ideal and on real chains."""

import numpy as np
import pytest
import torch

from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.frames import backbone_from_frames, frames_from_backbone, ideal_atoms
from gm_multimodal.spaces.rotations import Rotations
from tests.networks.trunks import random_state


@pytest.fixture(scope="module")
def chains(small_dataset):
    return read_chains(small_dataset, split=None, min_length=20, max_length=200)


def test_frames_survive_the_way_through_atoms():
    state = random_state(2, 6)
    x, r = frames_from_backbone(backbone_from_frames(state["translations"], state["rotations"]))
    torch.testing.assert_close(x, state["translations"], atol=1e-12, rtol=0)
    torch.testing.assert_close(r, state["rotations"], atol=1e-10, rtol=0)


def test_frames_have_their_axes_where_they_are_said_to_be():
    """CA at 1 Angstrom along x, C further along x, N above."""
    atoms = torch.tensor([[1.0, 1.3, 0.0], [1.0, 0.0, 0.0], [2.5, 0.0, 0.0]])
    x, r = frames_from_backbone(atoms)
    torch.testing.assert_close(x, torch.tensor([0.1, 0.0, 0.0]))
    torch.testing.assert_close(r, torch.eye(3))


def test_real_chains_give_rotations_and_move_with_their_coordinates(chains):
    turn = random_state(1, 1, torch.float32, seed=3)["rotations"][0, 0]
    for coordinates in (row.backbone.coordinates for row in chains.rows[:5]):
        atoms = torch.from_numpy(coordinates)
        x, r = frames_from_backbone(atoms)
        assert Rotations().contains(r, tolerance=1e-5).all()
        moved_x, moved_r = frames_from_backbone(atoms @ turn.T + 10)
        torch.testing.assert_close(moved_x, x @ turn.T + 1, atol=1e-4, rtol=0)
        torch.testing.assert_close(moved_r, turn @ r, atol=1e-4, rtol=0)


def test_real_chains_come_back_within_ideal_geometry(chains):
    """CA exactly, the others as far off as real angles are from ideal ones: N by .05, C by .01, O by .07 Angstrom."""
    errors = []
    for coordinates in (row.backbone.coordinates for row in chains.rows):
        atoms = torch.from_numpy(coordinates)
        errors.append((backbone_from_frames(*frames_from_backbone(atoms)) - atoms).norm(dim=-1)[:-1])
    n, ca, c, o = torch.cat(errors).unbind(-1)
    assert ca.max() < 1e-4
    assert n.mean() < 0.07
    assert c.mean() < 0.02
    assert o.mean() < 0.08
    assert (o < 0.1).float().mean() > 0.75
    assert max(error[:, 3].mean() for error in errors) < 0.15


def test_oxygens_of_a_planar_peptide_are_exact(build_backbone):
    """On ideal chains, helical and extended: O of every inner residue within .1, its bond of 1.231 Angstrom kept."""
    for phi, psi in ((-57.0, -47.0), (-120.0, 130.0)):
        atoms = torch.from_numpy(build_backbone(12, phi, psi))
        back = backbone_from_frames(*frames_from_backbone(atoms))
        assert (back - atoms)[:-1, 3].norm(dim=-1).max() < 0.1
        bond = (back[:-1, 3] - back[:-1, 2]).norm(dim=-1)
        torch.testing.assert_close(bond, torch.full_like(bond, 1.231), atol=1e-6, rtol=0)


def test_the_last_oxygen_has_its_bond_and_angle():
    state = random_state(1, 4)
    _, ca, c, o = backbone_from_frames(state["translations"], state["rotations"])[0, -1]
    assert float((o - c).norm()) == pytest.approx(1.231, abs=1e-3)
    cosine = torch.nn.functional.cosine_similarity(ca - c, o - c, dim=0)
    assert np.degrees(np.arccos(float(cosine))) == pytest.approx(120.1, abs=0.3)


def test_ideal_bonds_and_their_angle():
    """N-CA 1.46, CA-C 1.526 Angstrom, angle 111 degrees, L-amino acid frames."""
    n, ca, c = ideal_atoms(torch.zeros(3).double(), torch.eye(3).double())
    assert float((n - ca).norm()) == pytest.approx(0.146, abs=1e-3)
    assert float((c - ca).norm()) == pytest.approx(0.1526, abs=1e-4)
    cosine = torch.nn.functional.cosine_similarity(n - ca, c - ca, dim=0)
    assert np.degrees(np.arccos(float(cosine))) == pytest.approx(111, abs=0.5)
    assert (ca == 0).all()
