"""Laws of the confidence: what it depends on, and what raises it."""

import dataclasses

import torch

from gm_multimodal.protein.batch import single_chain
from gm_multimodal.protein.confidence import Fit, confidence, sequence_fit
from tests.networks.trunks import random_state, random_trunk
from tests.protein.products import protein_product

ROWS, SITES = 3, 24


def scene(lengths=(SITES,) * ROWS):
    present = torch.arange(SITES) < torch.tensor(lengths)[:, None]
    state = dict(random_state(ROWS, SITES, torch.float32))
    state["sequence"] = state["sequence"].clamp(max=19)
    return state, single_chain(present)


def fit_of(state, sites):
    return sequence_fit(random_trunk(torch.float32), protein_product(), state, sites)


def test_the_fit_is_what_the_network_says_without_seeing_the_sequence():
    state, sites = scene()
    fit = fit_of(state, sites)
    other = {**state, "sequence": (state["sequence"] + 7) % 20}
    torch.testing.assert_close(fit_of(other, sites).best, fit.best)
    assert (fit.own <= fit.best).all()
    # over all types, the probabilities of own add up to one
    total = sum(fit_of({**state, "sequence": torch.full((ROWS, SITES), k)}, sites).own.exp() for k in range(20))
    torch.testing.assert_close(total, torch.ones(ROWS, SITES), atol=1e-5, rtol=0)


def test_padding_counts_for_nothing():
    _, sites = scene((SITES, 17, 20))
    fit = Fit(torch.full((ROWS, SITES), -1.8), torch.full((ROWS, SITES), -1.45))
    noise = dataclasses.replace(fit, own=torch.where(sites.present, fit.own, -50.0))
    expected = confidence(fit, sites.present)
    assert ((expected > 0.1) & (expected < 0.9)).all()
    assert torch.equal(confidence(noise, sites.present), expected)


def test_likelier_types_raise_the_confidence():
    own = torch.tensor([[-2.4, -1.8], [-2.0, -1.5]])
    low, high = confidence(Fit(own, torch.full((2, 2), -1.5)), torch.ones(2, 2, dtype=torch.bool)).tolist()
    assert 0 < low < high < 1
