"""The one list of what the factors of a protein are: padding, what is absent, what is given, what sets out late."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gm_multimodal.protein import factors
from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.factors import REQUIRED, ROTATIONS, SEQUENCE, STRUCTURE, TRANSLATIONS
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.spaces.euclidean import Euclidean


class Charge:
    """A part of one number, kept beside the backbone, which places an atom at CA where it is known."""

    given_with = frozenset({"structure", "sequence"})
    is_late = True

    def __init__(self):
        self.spaces, self.padding = {"charge": Euclidean(1)}, {"charge": torch.full((1,), -5.0)}

    def is_told(self, backbone):
        return "charge" in backbone.further

    def encode(self, backbone):
        unknown = np.full(len(backbone), np.nan, dtype=np.float32)
        return {"charge": torch.from_numpy(backbone.further.get("charge", unknown))[:, None]}

    def decode(self, points, backbone):
        return replace(backbone, further={"charge": points["charge"][:, 0].numpy()})

    def side_chains(self, backbone):
        known = np.flatnonzero(np.isfinite(backbone.further["charge"]))
        return {int(k): SideChain(("X",), ("X",), backbone.coordinates[k, 1:2]) for k in known}


@pytest.fixture
def proteins(build_backbone):
    """Of 5, 4 and 3 residues; the first has all its charges, the second all but one, the third says nothing of them."""
    made = []
    for number, length in enumerate((5, 4, 3)):
        made.append(unbroken(build_backbone(length, -60.0, -45.0).astype(np.float32), np.arange(length) + number))
    charges = np.arange(5, dtype=np.float32), np.array([1, np.nan, 3, 4], dtype=np.float32)
    return [*(replace(b, further={"charge": c}) for b, c in zip(made[:2], charges, strict=True)), made[2]]


def test_points_are_padded_and_what_nothing_is_known_of_is_marked(proteins):
    state, absent = factors.encode(proteins, [*REQUIRED, Charge()])
    assert state["charge"][..., 0].tolist() == [[0, 1, 2, 3, 4], [1, -5, 3, 4, -5], [-5] * 5]
    assert set(absent) == {"charge"}
    assert absent["charge"].tolist() == [[False] * 5, [False, True, False, False, False], [True] * 3 + [False] * 2]
    assert torch.equal(state[ROTATIONS][2, 3:], torch.eye(3).expand(2, 3, 3))
    assert not state[TRANSLATIONS][2, 3:].any()
    assert state[SEQUENCE][2].tolist() == [2, 3, 4, 0, 0]


def test_a_residue_that_is_designed_is_not_turned():
    state, absent = factors.encode([unbroken(np.zeros((2, 4, 3), np.float32), np.zeros(2, np.int64))], REQUIRED)
    assert torch.equal(state[ROTATIONS], torch.eye(3).expand(1, 2, 3, 3))
    assert not absent


def test_points_become_the_residues_that_they_were(proteins, monkeypatch):
    monkeypatch.setattr(factors, "PARTS", (*REQUIRED, Charge()))
    state, _ = factors.encode(proteins[:1], factors.told(proteins))
    empty = unbroken(np.zeros((5, 4, 3), np.float32), np.zeros(5, np.int64))
    back = factors.decode({name: x[0] for name, x in state.items()}, empty)
    assert np.abs(back.coordinates[:-1] - proteins[0].coordinates[:-1]).max() < 0.1  # ideal bonds; the last O is free
    assert (back.tokens == proteins[0].tokens).all()
    assert (back.further["charge"] == proteins[0].further["charge"]).all()
    assert set(factors.side_chains(proteins[1])) == {0, 2, 3}
    assert factors.side_chains(proteins[2]) == {}


def test_only_what_something_is_known_of_is_told(proteins, monkeypatch):
    monkeypatch.setattr(factors, "PARTS", (*REQUIRED, Charge()))
    assert [type(part).__name__ for part in factors.told(proteins)] == ["_Structure", "_Sequence", "Charge"]
    assert factors.told(proteins[2:]) == list(REQUIRED)


def test_each_part_is_given_with_what_it_needs_and_moves_when_it_says(monkeypatch):
    monkeypatch.setattr(factors, "PARTS", (*REQUIRED, Charge()))
    structure, sequence = np.array([True, True, False]), np.array([True, False, True])
    masks = [factors.given(part, structure, sequence).tolist() for part in factors.PARTS]
    assert masks == [[True, True, False], [True, False, True], [True, False, False]]
    shares = factors.windows((*STRUCTURE, SEQUENCE, "charge"), 0.7, 0.3)
    assert shares == dict.fromkeys(STRUCTURE, (0.0, 0.7)) | dict.fromkeys((SEQUENCE, "charge"), (0.3, 1.0))
