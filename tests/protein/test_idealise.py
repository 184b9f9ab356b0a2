"""Laws of the last small motion: bonds become right, little moves, and what must stay stays."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gm_multimodal.protein.frames import backbone_from_frames, frames_from_backbone
from gm_multimodal.protein.idealise import idealise
from gm_multimodal.protein.metrics.bonds import peptide_validity
from gm_multimodal.protein.metrics.geometry import ca_ca_validity, ca_clashes
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.spaces.rotations import rotation_exp

STRUCTURE = next((Path(__file__).parents[2] / "data").glob("*.pdb"))


@pytest.fixture(scope="module")
def frames():
    """Frames of a real chain whose residues were displaced a little, one by one: [1, L, 3] (nm), [1, L, 3, 3]."""
    x, r = frames_from_backbone(torch.from_numpy(read_backbone(STRUCTURE)[0].coordinates)[None, :70])
    generator = torch.Generator().manual_seed(0)
    x = x + 0.01 * torch.randn(x.shape, generator=generator)
    return x, r @ rotation_exp(0.05 * torch.randn(x.shape, generator=generator))


def settle(x, r, linked=None, movable=None):
    rows, length = x.shape[:2]
    present = torch.ones(rows, length, dtype=torch.bool)
    linked = present[:, 1:] if linked is None else linked
    return idealise(x, r, present=present, linked=linked, movable=present if movable is None else movable)


def backbone(x, r):
    return backbone_from_frames(x, r)[0].numpy()


def bonds_are_right(coordinates):
    return peptide_validity(coordinates, np.ones(len(coordinates) - 1, dtype=bool))


def test_bonds_become_right_and_little_moves(frames):
    original = read_backbone(STRUCTURE)[0].coordinates[:70]
    before, after = backbone(*frames), backbone(*settle(*frames))
    assert bonds_are_right(before) < 0.8
    assert bonds_are_right(after) == 1.0
    assert ca_ca_validity(after) >= ca_ca_validity(original)  # which has a cis peptide bond
    assert np.sqrt(((after - before)[:, 1] ** 2).sum(-1).mean()) < 0.2


def test_alpha_carbons_that_clash_move_apart(frames):
    x, r = frames
    x = x.clone()
    x[0, 30] = x[0, 40] + torch.tensor([0.28, 0.0, 0.0])
    linked = torch.ones(1, x.shape[1] - 1, dtype=torch.bool)
    linked[0, 29:31] = False  # else the bonds would draw it back
    assert ca_clashes(backbone(x, r)) >= 1
    assert ca_clashes(backbone(*settle(x, r, linked))) == 0


def test_residues_that_move_keep_off_one_that_stands_alone(frames):
    x, r = frames
    x = x.clone()
    outwards = torch.nn.functional.normalize(x[0, 0] - x[0].mean(0), dim=-1)
    x[0, -1] = x[0, 0] + 0.26 * outwards
    linked = torch.ones(1, x.shape[1] - 1, dtype=torch.bool)
    linked[0, -1] = False
    movable = torch.ones(1, x.shape[1], dtype=torch.bool)
    movable[0, -1] = False
    assert ca_clashes(backbone(x, r)) >= 1
    assert ca_clashes(backbone(*settle(x, r, linked, movable))) == 0


def test_residues_that_may_not_move_are_the_same_bits(frames):
    x, r = frames
    movable = torch.ones(1, x.shape[1], dtype=torch.bool)
    movable[0, 10:20] = False
    moved_x, moved_r = settle(x, r, movable=movable)
    assert torch.equal(moved_x[0, 10:20], x[0, 10:20])
    assert torch.equal(moved_r[0, 10:20], r[0, 10:20])
    assert not torch.equal(moved_x[0, 20:30], x[0, 20:30])


def test_nothing_holds_residues_together_across_a_gap(frames):
    x, r = frames
    x = x + torch.where(torch.arange(x.shape[1]) >= 35, 2.0, 0.0)[:, None]
    linked = torch.ones(1, x.shape[1] - 1, dtype=torch.bool)
    linked[0, 34] = False
    apart, _ = settle(x, r, linked)
    assert torch.linalg.vector_norm(apart[0, 35] - apart[0, 34]) > 3.0


def test_the_outcome_turns_with_the_chain(frames):
    x, r = frames
    turn = rotation_exp(torch.tensor([0.3, -1.2, 0.7]))
    moved_x, moved_r = settle(x, r)
    turned_x, turned_r = settle(x @ turn.T + 1.0, turn @ r)
    torch.testing.assert_close(turned_x, moved_x @ turn.T + 1.0, atol=2e-4, rtol=0)
    torch.testing.assert_close(turned_r, turn @ moved_r, atol=2e-3, rtol=0)


def test_a_row_does_not_depend_on_its_company(frames):
    x, r = frames
    other = x + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    alone, _ = settle(x, r)
    together, _ = settle(torch.cat([x, other]), torch.cat([r, r]))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)
