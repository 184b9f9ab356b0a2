"""Oracle sampling: with the exact posterior in the network's place, every process carries the prior to the data.

Three data points hide behind x_t; the posterior is enumerated. Approximate steps are measured given z elsewhere.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.oracle import THERE, WEIGHTS, Oracle, distance, three_points, total_variation
from gm_multimodal.parameterizations.base import ManifoldPrediction
from gm_multimodal.parameterizations.bins import BinRates, Bins
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.mixture import MixtureDiffusion, MixtureJump
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.processes.superposition import Superposition
from gm_multimodal.spaces.categorical import draw_categorical
from gm_multimodal.spaces.interval import Interval
from gm_multimodal.spaces.rotations import Rotations
from tests.theory.cases import CASES, SETTINGS, Case, Setting, statistics, stream

pytestmark = pytest.mark.theory

N = 2_000
FLOOR = float((WEIGHTS * (1 - WEIGHTS) / (2 * torch.pi * N)).sqrt().sum())
"""Expected total variation between the weights of three points and the shares of N independent draws: .012."""
BINS = 15


def draws_jointly(case: Case) -> bool:
    """The prediction is the joint posterior, or a draw of it; a mixture of as many components as data is tried once."""
    if isinstance(case.reads, TangentMixture):
        return case.reads.components == len(WEIGHTS) and isinstance(case.process, Jump | MixtureJump)
    return isinstance(case.reads, PointMass | CategoricalPosterior)


EXACT = [case for case in CASES if case.is_exact and draws_jointly(case)]
BY_THE_MEAN = [
    case for case in CASES if case.process.follows is ManifoldPrediction and not isinstance(case.reads, PointMass)
]


def times(t: float, n: int) -> Tensor:
    return torch.full((n,), t, dtype=torch.float64)


def walk(case: Case, x: Tensor, start: float, end: float, steps: int, seed: int = 2) -> Tensor:
    """Equal steps with the oracle in the network's place, [n, *E]."""
    oracle, noise, n = Oracle(case.path, three_points(case.space), WEIGHTS), stream(seed), len(x)
    for t, t_next in pairwise(torch.linspace(start, end, steps + 1, dtype=torch.float64).tolist()):
        at = times(t, n)
        prediction = case.reads(oracle.emit(case.reads, x, at, noise), x, at)
        x = case.process.transition(x, at, times(t_next, n), prediction, noise)
    return x


def direct(setting: Setting, t: float, seed: int) -> list[Tensor]:
    """Statistics of N draws of the marginal path, [N] each."""
    noise = stream(seed)
    z = three_points(setting.space)[draw_categorical(WEIGHTS.expand(N, 3), noise)]
    x = setting.path.sample(setting.space.prior((N,), noise), z, times(t, N), noise)
    return seen_from_the_first(setting, x)


def seen_from_the_first(setting: Setting, x: Tensor) -> list[Tensor]:
    """Statistics, rounded: laws with atoms have them at one value."""
    sample = statistics(setting.space, x, three_points(setting.space)[0].expand_as(x))
    return [s.round(decimals=3) if s.dtype.is_floating_point else s for s in sample]


@cache
def references(setting: Setting, t: float) -> tuple[list[list[Tensor]], float]:
    """Three direct samples, and the distance between them: the noise floor."""
    samples = [direct(setting, t, seed) for seed in (11, 12, 13)]
    return samples, max(mean_distance(samples[0], samples[1:]), mean_distance(samples[1], samples[2:]))


def mean_distance(sample: list[Tensor], others: list[list[Tensor]]) -> float:
    """Total variation of the worst statistic, averaged over the other samples."""
    return max(sum(total_variation(s, o[k], BINS) for o in others) / len(others) for k, s in enumerate(sample))


def distances(case: Case, x: Tensor) -> Tensor:
    """From every data point, [3, n]."""
    return torch.stack([distance(case.space, x, z.expand_as(x)) for z in three_points(case.space)])


def weight_error(case: Case, x: Tensor) -> float:
    """Total variation between the shares of the nearest data points and the weights."""
    shares = distances(case, x).argmin(0).bincount(minlength=3) / len(x)
    return float((shares - WEIGHTS).abs().sum() / 2)


def has_arrived(case: Case, x: Tensor) -> bool:
    return bool((distances(case, x).amin(0) < THERE).all() and case.space.contains(x).all())


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_an_exact_process_has_the_marginal_law_on_its_way_and_the_data_at_its_end(case):
    """Ten steps, n = 2,000: histograms at t = .5 within 1.5 x the noise floor; the weights, whose floor (three numbers)
    is itself noisy, within 3 x."""
    halfway = walk(case, case.space.prior((N,), stream(1)), 0, 0.5, 5)
    samples, floor = references(case.setting, 0.5)
    assert mean_distance(seen_from_the_first(case.setting, halfway), samples) < 1.5 * floor + 0.01
    x = walk(case, halfway, 0.5, 1, 5, seed=3)
    assert has_arrived(case, x)
    assert weight_error(case, x) < 3 * FLOOR


@pytest.mark.parametrize("case", BY_THE_MEAN, ids=str)
def test_the_mean_of_the_posterior_carries_the_prior_to_the_data(case):
    """60 steps, n = 2,000: within 3 x the noise floor, and .02 for the error of first order."""
    x = walk(case, case.space.prior((N,), stream(1)), 0, 1, 60)
    assert float((distances(case, x).amin(0) < 0.05).double().mean()) > 0.995
    assert weight_error(case, x) < 3 * FLOOR + 0.02


@pytest.mark.parametrize(
    "case", {c.setting.name: c for c in BY_THE_MEAN if isinstance(c.process, Flow)}.values(), ids=str
)
def test_the_flow_of_the_mean_is_of_first_order(case):
    """Same 200 starts: the median distance from a walk of 400 steps falls like 1 / n - 1 / 400, n = 20 to 200.

    The median, because a field that changes at the edges of supports sends a few points elsewhere.
    """
    x0, steps = case.space.prior((200,), stream(1)), np.array([20, 50, 100, 200])
    fine = walk(case, x0, 0, 0.5, 400)
    errors = [float(distance(case.space, walk(case, x0, 0, 0.5, n), fine).median()) for n in steps.tolist()]
    order = np.polyfit(np.log(1 / steps - 1 / 400), np.log(errors), 1)[0]
    assert 0.8 < order < 1.2
    assert errors[0] > 0.005


GEODESIC = [case for case in EXACT if isinstance(case.path, GeodesicPath)]


@pytest.mark.parametrize("case", GEODESIC, ids=str)
def test_points_beyond_the_support_of_all_data_are_brought_back(case):
    """At t = .7 most draws of the prior lie where no data point can have brought them: they arrive all the same."""
    n = 300
    x = case.space.prior((n,), stream(1))
    log_prob = case.path.log_prob(x[:, None], times(0.7, n)[:, None], three_points(case.space)[None])
    is_lost = (log_prob.flatten(2) if log_prob.ndim > 2 else log_prob[..., None]).isinf().any(-1).all(-1)
    assert is_lost.double().mean() > 0.5
    assert has_arrived(case, walk(case, x, 0.7, 1, 5))


@pytest.mark.parametrize("rule", ["improved", "euler"])
def test_rates_alone_miss_what_leaves_at_an_edge(rule):
    """Mass leaves the geodesic path at the edge of its support, which the posterior never sees: no number of steps
    makes up for it. The coupling of the same path, above, is exact."""
    path = GeodesicPath(Rotations())
    case = Case(Setting("SO(3), geodesic", path), rule, Jump(path, rule), PointMass(path.space), is_exact=False)
    x0 = case.space.prior((400,), stream(1))
    assert min(weight_error(case, walk(case, x0, 0, 1, n)) for n in (10, 30)) > 0.1


@pytest.mark.parametrize("rule", ["improved", "euler"])
@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if "R^" in s.name and "exploding" not in s.name], ids=lambda s: s.name
)
def test_a_predicted_jump_comes_near_with_many_steps(setting, rule):
    """Histograms at t = .75, n = 2,000, within 1.5 x the noise floor after 30 steps, and far from it after 2.

    With a scale of 20 the noise of the exploding path lies far beyond the bins.
    """
    process, reads = RateJump(setting.path, rule), BinRates(setting.path, Bins(-4.0, 4.0, 32))
    case = Case(setting, f"predicted jump, {rule}", process, reads, is_exact=False)
    samples, floor = references(setting, 0.75)
    x0 = case.space.prior((N,), stream(1))
    coarse, fine = (mean_distance(seen_from_the_first(setting, walk(case, x0, 0, 0.75, n)), samples) for n in (2, 30))
    assert coarse > 2 * floor
    assert fine < 1.5 * floor


def test_a_predicted_jump_ends_in_the_bins_of_the_data():
    """40 steps, n = 2,000; the last one lands in the bin of a data point, and anywhere in it."""
    setting, width = SETTINGS[0], 0.25
    reads = BinRates(setting.path, Bins(-4.0, 4.0, 32))
    case = Case(setting, "predicted jump", RateJump(setting.path), reads, is_exact=False)
    x = walk(case, case.space.prior((N,), stream(1)), 0, 1, 40)
    assert weight_error(case, x) < 3 * FLOOR + 0.02
    assert float((distances(case, x).amin(0) < 2**0.5 * width).double().mean()) > 0.98


INTERVAL = MixturePath(Interval(-1.0, 2.0))
BLOCKS = torch.tensor([[-0.5, 0.7], [1.25, 0.3]], dtype=torch.float64)
"""Left ends of two blocks of width .5, and their probabilities."""


def blocks(n: int, noise: Noise) -> Tensor:
    k = draw_categorical(BLOCKS[:, 1].expand(n, 2), noise)
    return (BLOCKS[k, 0] + 0.5 * noise.uniform((n,)))[:, None]


def posterior_of_blocks(x: Tensor, t: float, noise: Noise) -> Tensor:
    """A draw of z: x itself with the probability that x is a data point already, otherwise one of the data."""
    is_in = (x >= BLOCKS[:, 0]) & (x < BLOCKS[:, 0] + 0.5)
    arrived, waiting = t * (is_in * BLOCKS[:, 1] / 0.5).sum(-1), (1 - t) / 3
    is_data = noise.uniform((len(x),)) * (arrived + waiting) < arrived
    return torch.where(is_data[:, None], x, blocks(len(x), noise))


PARTS = MixtureJump(INTERVAL), MixtureDiffusion(INTERVAL)
IN_AN_INTERVAL = {"jump": PARTS[0], "diffusion": PARTS[1]} | {
    f"diffusion and {a} jump": Superposition(PARTS, (a, 1 - a)) for a in (0.25, 0.5, 0.75)
}


@pytest.mark.parametrize("name", IN_AN_INTERVAL)
def test_jumps_and_diffusion_in_an_interval_follow_data_with_a_density(name):
    """Data must have a density here: a diffusion would be caught by the first atom that it hits. 60 steps to t = .7
    and one to the end, n = 10,000; shares of 12 equal bins within .03 (noise: .014) and .02 (.008)."""
    n, noise = 10_000, stream(4)
    x = INTERVAL.space.prior((n,), noise)

    def step(x: Tensor, t: float, t_next: float) -> Tensor:
        z = posterior_of_blocks(x, t, noise)
        return IN_AN_INTERVAL[name].conditional(x, times(t, n), times(t_next, n), z, noise)

    def error(x: Tensor, law: Tensor) -> float:
        shares = torch.floor((x[:, 0] + 1) / 0.25).long().clamp(0, 11).bincount(minlength=12) / n
        return float((shares - law).abs().sum() / 2)

    for t, t_next in pairwise(torch.linspace(0, 0.7, 61, dtype=torch.float64).tolist()):
        x = step(x, t, t_next)
    data = torch.zeros(12)
    data[[2, 3]], data[[9, 10]] = 0.35, 0.15
    assert error(x, 0.7 * data + 0.3 / 12) < 0.03
    assert error(step(x, 0.7, 1), data) < 0.02
