"""Products: what is given never moves, what is padding does not matter, and the centre of mass stays where it must."""

from dataclasses import dataclass, replace

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import DesignNoise, SharedNoise
from gm_multimodal.objective import corrupt, matching_loss
from gm_multimodal.parameterizations.endpoint import EndpointPrediction
from gm_multimodal.paths.base import ConditionalPath
from gm_multimodal.product import Factor, Known
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.sampler import Sampler
from gm_multimodal.schedules import Linear
from gm_multimodal.sites import Sites
from tests.theory.factors import FACTORS, ROTATIONS, SEQUENCE, TRANSLATIONS, nothing_known, product_of

pytestmark = pytest.mark.theory

ROWS, SITES = 5, 6
PRODUCT = product_of(*FACTORS, centred=True)


def data(rows: int = ROWS, sites: int = SITES, seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    return {case.factor: case.draw(rows * sites, rng).unflatten(0, (rows, sites)) for case in FACTORS}


def half_given():
    """A third of the sites given, other ones in every factor; the last two sites of row 0 are padding."""
    present = torch.ones(ROWS, SITES, dtype=torch.bool)
    present[0, -2:] = False
    mask = {}
    for k, case in enumerate(FACTORS):
        mask[case.factor] = (torch.arange(ROWS * SITES).view(ROWS, SITES) + k) % 3 == 0
    return Known(data(), mask, Sites(present))


def network(state, times, sites, previous):
    """Sees the neighbours on both sides, so that nothing is hidden by independence; padding is left out of the mean."""
    present = sites.present[..., None].float()
    x = torch.cat([state["translations"], state["rotations"].flatten(-2), state["sequence"][..., None].float()], -1)
    x = torch.cat([x, torch.stack([times[case.factor] for case in FACTORS], -1)], -1)
    mean = (x * present).sum(1, keepdim=True) / present.sum(1, keepdim=True)
    mixed = torch.sin(x + 0.3 * mean)
    return {"translations": mixed[..., :3], "rotations": mixed[..., 3:7], "sequence": mixed[..., 7:11]}


def test_what_is_given_never_moves_and_is_told_to_have_time_one():
    known = half_given()
    seen = []

    def spy(state, times, sites, previous):
        seen.append((state, times))
        return network(state, times, sites, previous)

    final = Sampler(UniformGrid(4))(spy, PRODUCT, known, SharedNoise.keyed(0))
    assert len(seen) == 4
    for state, times in [*seen, (final, None)]:
        for name, x in state.items():
            held = ~known.free(name)
            assert torch.equal(x[held], known.values[name][held])
            if times is not None:
                assert (times[name][held] == 1).all()
                assert (times[name][~held] < 1).all()
    for name in PRODUCT:
        free = known.free(name)
        assert not torch.equal(final[name][free], known.values[name][free])


def test_what_is_given_stays_even_where_a_process_moves_it():
    """The promise is the sampler's own: it does not rest on processes that stand still."""

    @dataclass(frozen=True)
    class Restless:
        path: ConditionalPath
        follows: type = EndpointPrediction

        def transition(self, x, t, t_next, prediction, noise):
            return x + 1

    factor = PRODUCT["translations"]
    product = {**PRODUCT, "translations": Factor(Restless(factor.process.path), factor.parameterization, Linear())}
    known = half_given()
    final = Sampler(UniformGrid(2))(network, product, known, SharedNoise.keyed(0))
    held = ~known.free("translations")
    assert torch.equal(final["translations"][held], known.values["translations"][held])


def test_what_is_given_enters_training_clean():
    known = half_given()
    times = known.times({name: torch.full((ROWS, SITES), 0.3) for name in PRODUCT})
    state = corrupt(PRODUCT, known, times, SharedNoise.keyed(1))
    for name, x in state.items():
        held = ~known.free(name)
        assert torch.equal(x[held], known.values[name][held])
        assert (times[name][held] == 1).all()
    moved = (state["translations"] != known.values["translations"]).any(-1)
    assert torch.equal(moved, known.free("translations"))


@pytest.mark.parametrize("case", FACTORS, ids=lambda case: case.name)
def test_what_is_given_has_no_loss(case):
    """Whatever the network says there; elsewhere it does matter."""
    known = half_given()
    times = {name: torch.full((ROWS, SITES), 0.3) for name in PRODUCT}

    def loss(where):
        def spoilt(state, times, sites, previous):
            output = dict(network(state, times, sites, previous))
            output[case.factor] = output[case.factor] + where[..., None] * torch.tensor([5.0])
            if case.factor == "sequence":
                output[case.factor][..., 0] -= 9.0 * where  # softmax does not see a common shift
            return output

        return matching_loss(spoilt, PRODUCT, known, times, SharedNoise.keyed(2)).parts[case.factor]

    free = known.free(case.factor)
    assert torch.equal(loss(~free), loss(torch.zeros_like(free)))
    assert not torch.isclose(loss(free), loss(torch.zeros_like(free)), rtol=1e-3)


def test_a_factor_that_is_wholly_given_has_loss_zero():
    known = half_given()
    known = Known(known.values, {**known.mask, "rotations": known.sites.present}, known.sites)
    times = {name: torch.full((ROWS, SITES), 0.3) for name in PRODUCT}
    parts = matching_loss(network, PRODUCT, known, times, SharedNoise.keyed(3)).parts
    assert parts["rotations"] == 0
    assert parts["translations"] > 0


class Scripted:
    """A noise whose row b holds the same numbers in a padded batch and alone."""

    device = torch.device("cpu")

    def __init__(self, rows):
        self.rows, self.calls = rows, 0

    def at(self, step, factor):
        return self

    def normal(self, shape):
        return self._fill(shape, torch.randn)

    def uniform(self, shape):
        return self._fill(shape, torch.rand)

    def _fill(self, shape, draw):
        self.calls += 1
        drawn = [draw(20, *shape[2:], generator=torch.Generator().manual_seed(100 * self.calls + r)) for r in self.rows]
        return torch.stack(drawn)[:, : shape[1]]


def test_padding_changes_neither_loss_nor_sample():
    """A row of four sites, alone and as part of a batch of six with its own noise."""
    known = half_given()
    times = {name: torch.full((ROWS, SITES), 0.4) for name in PRODUCT}
    short = slice(0, 1), slice(0, 4)
    alone = Known(
        {name: x[short] for name, x in known.values.items()},
        {name: x[short] for name, x in known.mask.items()},
        Sites(known.sites.present[short]),
    )
    others = (torch.arange(ROWS) > 0)[:, None]
    only_first = Known(known.values, {name: m | others for name, m in known.mask.items()}, known.sites)
    batched = matching_loss(network, PRODUCT, only_first, times, Scripted(range(ROWS)))
    single = matching_loss(network, PRODUCT, alone, {k: t[short] for k, t in times.items()}, Scripted([0]))
    for name in PRODUCT:
        torch.testing.assert_close(batched.parts[name], single.parts[name], rtol=1e-6, atol=0)
    sampler = Sampler(UniformGrid(5))
    padded = sampler(network, PRODUCT, known, Scripted(range(ROWS)))
    bare = sampler(network, PRODUCT, alone, Scripted([0]))
    for name in PRODUCT:
        torch.testing.assert_close(padded[name][short], bare[name], rtol=1e-5, atol=1e-5)


def test_the_prior_is_centred_only_where_nothing_is_given():
    present = torch.ones(3, SITES, dtype=torch.bool)
    present[0, -2:] = False
    mask = torch.zeros_like(present)
    mask[2, 1] = True
    known = Known(data(3), {name: mask for name in PRODUCT}, Sites(present))
    x = PRODUCT["translations"].prior(known, "translations", SharedNoise.keyed(4))
    mean = (x * present[..., None]).sum(1) / present.sum(1)[:, None]
    assert mean[:2].abs().max() < 1e-6
    assert mean[2].abs().max() > 0.05
    free = product_of(TRANSLATIONS)["translations"].prior(known, "translations", SharedNoise.keyed(4))
    assert free[:2].mean(1).abs().max() > 0.05  # a factor that is not centred keeps its draw
    assert torch.equal(free[2], x[2])


def test_the_centred_prior_is_the_normal_law_on_its_subspace():
    """Covariance of two sites of six: I - 1/6; n = 20,000, within 5 standard errors."""
    known = nothing_known(PRODUCT, 20_000, SITES)
    x = PRODUCT["translations"].prior(known, "translations", SharedNoise.keyed(5))
    expected = torch.eye(SITES) - 1 / SITES
    assert (x[..., 0].T.cov() - expected).abs().max() < 5 * (2 / 20_000) ** 0.5
    assert (x[..., 0].T.cov() - torch.eye(SITES)).abs().min() > 0.1


def test_other_factors_are_not_centred():
    known = nothing_known(PRODUCT, 4, SITES)
    turns = PRODUCT["rotations"].prior(known, "rotations", SharedNoise.keyed(6))
    assert ROTATIONS.space.contains(turns).all()


def test_a_process_that_does_not_fit_its_parameterization_is_refused_by_name():
    with pytest.raises(IncompatibleProcess, match=r"MaskingCTMC follows CategoricalPrediction.*TangentMixture"):
        Factor(SEQUENCE.process, ROTATIONS.parameterization, Linear())
    with pytest.raises(IncompatibleProcess, match=r"Flow follows .*CategoricalPosterior"):
        Factor(ROTATIONS.process, SEQUENCE.parameterization, Linear())


@pytest.mark.parametrize("case", FACTORS, ids=lambda case: case.name)
def test_a_factor_moves_as_it_would_alone(case):
    """Given what is predicted of it, a factor's path is the same numbers alone and in the product: steps factorise."""
    known = nothing_known(PRODUCT, ROWS, SITES)
    z = data()

    def certain(state, times, sites, previous):
        return {name: oracle_output(name, state, times, z) for name in state}

    together = Sampler(UniformGrid(6))(certain, PRODUCT, known, DesignNoise(3, range(ROWS)))
    only = {case.factor: PRODUCT[case.factor]}
    alone = nothing_known(only, ROWS, SITES)
    single = Sampler(UniformGrid(6))(certain, only, alone, DesignNoise(3, range(ROWS)))
    assert torch.equal(single[case.factor], together[case.factor])


def oracle_output(name, state, times, z):
    """What a network that is certain of z emits."""
    case = next(case for case in FACTORS if case.factor == name)
    return case.output(torch.eye(ROWS), state[name], times[name], z[name])


def test_factors_are_independent_given_z():
    """At s = .5, the same z in every row: correlations between factors within 4.5 / sqrt(n), n = 4,000."""
    rows = 4000
    product = product_of(*FACTORS)  # a single site that is centred would not move
    known = nothing_known(product, rows, 1)
    values = {
        case.factor: case.draw(1, torch.Generator().manual_seed(1)).expand(rows, 1, *case.space.event_shape)
        for case in FACTORS
    }
    times = {name: torch.full((rows, 1), 0.5) for name in PRODUCT}
    state = corrupt(product, Known(values, known.mask, known.sites), times, SharedNoise.keyed(2))
    seen = {
        "translations": state["translations"][:, 0],
        "rotations": state["rotations"][:, 0].flatten(1),
        "sequence": (state["sequence"] == SEQUENCE.space.mask).float(),
    }
    names = list(seen)
    for i, first in enumerate(names):
        for second in names[:i]:
            a, b = ((x - x.mean(0)) / x.std(0) for x in (seen[first], seen[second]))
            assert (a.T @ b / rows).abs().max() < 4.5 / rows**0.5


def test_the_loss_is_the_weighted_sum_over_factors():
    known = half_given()
    times = {name: torch.full((ROWS, SITES), 0.3) for name in PRODUCT}
    weights = {"translations": 0.7, "rotations": 0.2, "sequence": 1.5}
    product = {name: replace(factor, weight=weights[name]) for name, factor in PRODUCT.items()}
    matching = matching_loss(network, product, known, times, SharedNoise.keyed(3))
    expected = sum(weights[name] * part for name, part in matching.parts.items())
    torch.testing.assert_close(matching.total, expected)
