import dataclasses

import numpy as np
import pytest
import torch

from gm_multimodal.protein.checkpoint import load_checkpoint, resolve
from gm_multimodal.protein.judges.likelihood import Likelihood, LikelihoodJudge


@pytest.fixture(scope="module")
def model() -> Likelihood:
    checkpoint = load_checkpoint(resolve("base"))
    return Likelihood(checkpoint.network, checkpoint.product, torch.device("cpu"))


def test_the_model_finds_a_real_sequence_likelier_than_its_shuffle(model, subject):
    """Both are scored behind the same masks, so that their difference varies less than either."""
    shuffled = dataclasses.replace(subject, tokens=np.random.default_rng(0).permutation(subject.tokens))
    own, other = (model.sequence_given_structure(s, rounds=4, levels=4) for s in (subject, shuffled))
    length = len(subject.tokens)
    assert other.mean - own.mean > 5 * (own.error + other.error) > 0
    assert 1 < own.mean / length < np.log(20)
    assert own.per_residue.shape == (length,) and (own.per_residue > 0).all()


def test_few_calls_agree_with_many_within_their_errors(model, subject):
    few, many = (model.sequence_given_structure(subject, rounds=r, levels=4) for r in (4, 32))
    assert many.error < few.error
    # four estimates know their own error to about 40 %
    assert abs(few.mean - many.mean) < 6 * few.error


def test_the_model_finds_a_real_backbone_likelier_than_a_shaken_one(model, subject):
    rng = np.random.default_rng(0)
    shaken = subject.coordinates + rng.normal(0, 1.0, (len(subject.tokens), 1, 3)).astype(np.float32)
    own, other = (
        model.structure(dataclasses.replace(subject, coordinates=x), estimates=2, steps=6)
        for x in (subject.coordinates, shaken)
    )
    assert other.mean - own.mean > 5 * (own.error + other.error) > 0


def test_figures_do_not_depend_on_place_company_or_name(model, fragment):
    part = fragment[:20]
    judge = LikelihoodJudge(model, "base", "0")
    together = judge.judge([fragment, part])
    assert judge.judge([part])[0] == together[1]
    assert list(together[0]) == list(judge.definitions)


def test_a_single_residue_has_a_type_but_no_shape(model, subject):
    row = LikelihoodJudge(model, "base", "0").judge([subject[:1]])[0]
    assert row["model_sequence_nats"] > 0 and row["model_structure_nats"] is None
