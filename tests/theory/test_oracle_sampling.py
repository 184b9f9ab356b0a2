"""With the exact posterior in the network's place, the sampler reproduces the law of the data."""

from itertools import pairwise

import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.oracle import total_variation
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.product import Known
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.sampler import Sampler
from tests.theory.factors import (
    FACTORS,
    LETTERS,
    MASKING,
    ROTATIONS,
    SEQUENCE,
    TRANSLATIONS,
    Oracle,
    nothing_known,
    product_of,
)

pytestmark = pytest.mark.theory

WEIGHTS = torch.tensor([0.4, 0.3, 0.2, 0.1])


def two_of_each(case, sites: int):
    """Two generic data points of a factor, [2, sites, *E]; letters differ at every site."""
    rng = torch.Generator().manual_seed(1)
    if case.factor == "sequence":
        first = case.draw(sites, rng)
        return torch.stack([first, (first + 1) % LETTERS.size])
    return case.draw(2 * sites, rng).unflatten(0, (2, sites))


def entangled(sites: int = 2) -> Oracle:
    """Four joint points in which any two factors tell the third: no factor alone, and no pair, gives the law."""
    parts = ((0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0))
    data = {c.factor: two_of_each(c, sites)[list(part)] for c, part in zip(FACTORS, parts, strict=True)}
    return Oracle(FACTORS, data, WEIGHTS)


def run(oracle: Oracle, rows: int, steps: int, product=None, known=None, seed: int = 0):
    product = product or product_of(*oracle.cases)
    nothing = nothing_known(product, rows, next(iter(oracle.data.values())).shape[1])
    return Sampler(UniformGrid(steps))(oracle, product, known or nothing, SharedNoise.keyed(seed))


def shares(oracle: Oracle, state) -> torch.Tensor:
    """Share of rows at every data point in all factors and sites at once, and of rows at none, [K + 1]."""
    at = []
    for case in oracle.cases:
        x, z = state[case.factor][:, None], oracle.data[case.factor][None]
        if case.factor == "sequence":
            at.append((x == z).all(-1))
        else:
            at.append((case.space.log(*torch.broadcast_tensors(x, z)).norm(dim=-1) < 0.05).all(-1))
    everywhere = torch.stack(at).all(0)
    return torch.cat([everywhere, ~everywhere.any(-1, keepdim=True)], -1).double().mean(0)


def error(oracle: Oracle, state) -> float:
    """Total variation between the shares and the weights of the data."""
    return float((shares(oracle, state) - torch.cat([oracle.weights, torch.zeros(1)])).abs().sum() / 2)


def test_a_joint_law_of_three_factors_is_reproduced():
    """n = 2,000 and 100 steps: total variation below .04; noise is .015, the first-order bias about .005."""
    oracle = entangled()
    state = run(oracle, 2000, 100, seed=1)
    assert error(oracle, state) < 0.04
    assert shares(oracle, state)[-1] < 0.005  # every row has arrived at a data point
    for case in oracle.cases:
        assert case.space.contains(state[case.factor], tolerance=1e-4).all()


def test_the_error_of_the_joint_law_shrinks_with_the_steps():
    """ "marginal: mean" is first order in the step: with 3 steps the law is visibly wrong."""
    oracle = entangled()
    coarse, fine = (error(oracle, run(oracle, 1000, steps)) for steps in (3, 50))
    assert coarse > 0.1
    assert fine < coarse / 2


def three_points(case) -> Oracle:
    data = case.draw(3, torch.Generator().manual_seed(5))[:, None]
    return Oracle((case,), {case.factor: data}, torch.tensor([0.5, 0.3, 0.2]))


@pytest.mark.parametrize("case", [TRANSLATIONS, ROTATIONS], ids=lambda case: case.name)
def test_a_flow_finds_the_weights_of_three_points(case):
    """n = 4,000 and 100 steps: total variation below .03, of which noise is .009."""
    oracle = three_points(case)
    assert error(oracle, run(oracle, 4000, 100)) < 0.03


@pytest.mark.parametrize("case", [TRANSLATIONS, ROTATIONS], ids=lambda case: case.name)
def test_the_flow_of_the_mean_is_of_first_order(case):
    """Five steps are not enough for the mean of a posterior that still holds several points."""
    oracle = three_points(case)
    coarse, fine = (error(oracle, run(oracle, 4000, steps)) for steps in (5, 50))
    assert fine < 0.6 * coarse


def one_letter() -> Oracle:
    return Oracle((SEQUENCE,), {"sequence": torch.arange(4)[:, None]}, WEIGHTS)


@pytest.mark.parametrize("eta", [0.0, 5.0, 20.0])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_a_single_site_has_the_law_of_the_data_at_any_step_count(eta, steps):
    """n = 20,000: total variation below .015 (noise: .005)."""
    oracle = one_letter()
    factor = product_of(SEQUENCE)["sequence"]
    process = MaskingCTMC(MASKING, remasking=eta)
    product = {"sequence": type(factor)(process, factor.parameterization, factor.clock)}
    assert error(oracle, run(oracle, 20_000, steps, product)) < 0.015


@pytest.mark.parametrize("eta", [0.0, 5.0])
def test_the_joint_law_of_two_sites_needs_small_steps(eta):
    """Two equal letters: sites drawn in one step are independent, O(h); n = 4,000, noise .01."""
    letters = torch.arange(4)[:, None].expand(4, 2)
    oracle = Oracle((SEQUENCE,), {"sequence": letters}, WEIGHTS)
    factor = product_of(SEQUENCE)["sequence"]
    product = {"sequence": type(factor)(MaskingCTMC(MASKING, remasking=eta), factor.parameterization, factor.clock)}
    one, some, many = (error(oracle, run(oracle, 4000, steps, product)) for steps in (1, 10, 100))
    assert one > 0.6  # all drawn at once: the two letters agree by chance alone, in .3 of the rows
    assert some < one / 2
    assert many < 0.05


def test_what_is_given_conditions_the_rest():
    """Given the letters of points 0 and 3, the other factors follow their conditional law .8 : .2; n = 1,500."""
    oracle = entangled()
    product = product_of(*oracle.cases)
    nothing = nothing_known(product, 1500, 2)
    letters = oracle.data["sequence"][0].expand(1500, 2)
    values, mask = {**nothing.values, "sequence": letters}, {**nothing.mask, "sequence": nothing.sites.present}
    known = Known(values, mask, nothing.sites)
    state = run(oracle, 1500, 100, known=known)
    assert torch.equal(state["sequence"], letters)
    found = shares(oracle, state)
    expected = torch.tensor([0.8, 0.0, 0.0, 0.2, 0.0])
    assert (found - expected).abs().max() < 4 * (0.16 / 1500) ** 0.5 + 0.02


@pytest.mark.parametrize("background", [(), (0.1, 0.2, 0.3, 0.4), tuple(WEIGHTS.tolist())], ids=str)
def test_a_temperature_gives_the_tempered_law(background):
    """q (P/q)^(1/T), normalised, at one site; q itself where P = q; n = 20,000."""
    oracle = one_letter()
    factor = product_of(SEQUENCE)["sequence"]
    q = torch.tensor(background or (0.25,) * 4)
    for temperature in (0.5, 2.0):
        process = MaskingCTMC(MASKING, temperature=temperature, background=background)
        product = {"sequence": type(factor)(process, factor.parameterization, factor.clock)}
        state = run(oracle, 20_000, 3, product)
        tempered = q * (WEIGHTS / q) ** (1 / temperature)
        tempered = tempered / tempered.sum()
        found = state["sequence"].flatten().bincount(minlength=4) / 20_000
        assert (found - tempered).abs().max() < 4 * (0.25 / 20_000) ** 0.5
        assert ((found - WEIGHTS).abs().max() > 0.05) == (not torch.equal(q, WEIGHTS))


def uncertain(x):
    """A prediction whose certainty falls from site to site."""
    sharpness = torch.linspace(3, 0.1, x.shape[1])[:, None] * torch.tensor([1.0, 0.0, 0.0, 0.0])
    return SEQUENCE.parameterization(sharpness.expand(*x.shape, 4), x, torch.zeros(x.shape))


def test_purity_keeps_the_number_of_sites_and_takes_the_most_certain():
    x = LETTERS.prior((400, 10), SharedNoise.keyed(0))
    x[:, 3] = 2  # shown already: no candidate
    at, then = torch.full(x.shape, 0.1), torch.full(x.shape, 0.5)
    moved = {
        order: MaskingCTMC(MASKING, order=order).transition(x, at, then, uncertain(x), SharedNoise.keyed(1))
        for order in ("random", "purity")
    }
    opened = {order: (x == LETTERS.mask) & (y != LETTERS.mask) for order, y in moved.items()}
    assert torch.equal(opened["random"].sum(-1), opened["purity"].sum(-1))
    assert not torch.equal(opened["random"], opened["purity"])
    by_certainty = opened["purity"][:, [0, 1, 2, 4, 5, 6, 7, 8, 9]].long()
    assert (by_certainty.diff(dim=-1) <= 0).all()  # sites stand in order of certainty: opened ones come first
    assert (moved["purity"][:, 3] == 2).all()


@pytest.mark.parametrize("eta", [0.0, 5.0])
def test_purity_keeps_the_law_of_the_number_of_masks(eta):
    """Binomial(10, 1 - t) at t = .6 after 6 steps, in 4,000 rows: total variation of the count near its noise."""
    process = MaskingCTMC(MASKING, remasking=eta, order="purity")
    noise = SharedNoise.keyed(2)
    x = LETTERS.prior((4000, 10), noise)
    for t, t_next in pairwise(torch.linspace(0, 0.6, 7).tolist()):
        x = process.transition(x, torch.full(x.shape, t), torch.full(x.shape, t_next), uncertain(x), noise)
    count = (x == LETTERS.mask).sum(-1)
    expected = (torch.rand(4000, 10, generator=torch.Generator().manual_seed(3)) < 0.4).sum(-1)
    assert total_variation(count, expected) < 0.05
    assert abs(float(count.float().mean()) - 4) < 4 * (2.4 / 4000) ** 0.5


@pytest.mark.parametrize(
    ("word", "settings"),
    [("remasking", {"remasking": -1.0}), ("temperature", {"temperature": 0.0}), ("order", {"order": "certain"})],
)
def test_settings_without_meaning_are_refused(word, settings):
    with pytest.raises(ValueError, match=word):
        MaskingCTMC(MASKING, **settings)
