"""Densities: normalised, true to the draws, with the time derivative that they state, equal to their closed forms."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from gm_multimodal.generators import Sum
from gm_multimodal.noise import SharedNoise
from gm_multimodal.paths.base import DensePath, NoisyPath
from gm_multimodal.paths.fisher import FisherPath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.igso3 import IGSO3Path
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.paths.von_mises import VonMisesPath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition, flow_and_jump
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.spaces.torus import Torus
from tests.theory.cases import SETTINGS, Setting, generic, observable, stream

pytestmark = pytest.mark.theory

N = 20_000
DENSE = [setting for setting in SETTINGS if isinstance(setting.path, DensePath)]
PATHS = pytest.mark.parametrize("setting", DENSE, ids=lambda setting: setting.name)
TIMES = pytest.mark.parametrize("t", [0.1, 0.4, 0.75])


def times(t: float, n: int) -> Tensor:
    return torch.full((n,), t, dtype=torch.float64)


def line(setting: Setting, z: Tensor, t: float, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points on a line through z [*E]: coordinate [n] of the first part, points [n, *E], measure per coordinate [n].

    On R^d nine standard deviations; on a compact space the distances from z, measured by their law under the prior.
    """
    space, schedule = setting.space, getattr(setting.path, "schedule", None)
    if isinstance(space, Euclidean):
        u = torch.linspace(-9, 9, n, dtype=torch.float64)
        c = schedule.alpha(times(t, 1)) * z[0] + schedule.sigma(times(t, 1)) * space.scale * u
        x = torch.cat([c[:, None], z[1:].expand(n, space.dim - 1)], -1)
        return c, x, torch.ones_like(c)
    c = torch.linspace(1e-9, space.radius, n, dtype=torch.float64)
    direction = torch.zeros(n, *space.log(z, z).shape, dtype=torch.float64)
    direction[:, 0] = 1
    return c, space.exp(z.expand(n, *space.event_shape), c[:, None] * direction), space.radial_density(c)


def first_part(values: Tensor) -> Tensor:
    """Numbers per part [n, *P] of the first part, [n]."""
    return values[:, 0] if values.ndim > 1 else values


@PATHS
@TIMES
def test_a_density_is_normalised(setting, t):
    z, n = generic(setting.space, 2, seed=1)[1], 20_001
    c, x, measure = line(setting, z, t, n)
    density = measure * first_part(torch.exp(setting.path.log_prob(x, times(t, n), z.expand_as(x))))
    assert float(torch.trapezoid(density, c)) == pytest.approx(1, abs=1e-3)


@PATHS
@TIMES
def test_draws_have_the_density(setting, t):
    """Kolmogorov-Smirnov distance of n = 20,000 draws below its 1 % point, and .002 for the grid."""
    z = generic(setting.space, 2, seed=1)[1]
    c, x, measure = line(setting, z, t, N + 1)
    density = measure * first_part(torch.exp(setting.path.log_prob(x, times(t, N + 1), z.expand_as(x))))
    below = torch.cumulative_trapezoid(density, c)
    noise = stream(2)
    at = z.expand(N, *setting.space.event_shape)
    drawn = setting.path.sample(setting.space.prior((N,), noise), at, times(t, N), noise)
    if isinstance(setting.space, Euclidean):
        value = drawn[:, 0]
    else:
        value = first_part(setting.space.lengths(setting.space.log(at, drawn)))
    share = below[torch.bucketize(value, c[1:]).clamp(max=N - 1)]
    expected = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    assert float((share.sort().values - expected).abs().max()) < 1.63 / N**0.5 + 0.002


@PATHS
@TIMES
def test_the_rate_is_the_time_derivative_of_the_logarithm(setting, t):
    n, h = 500, 1e-5
    z, x = generic(setting.space, n, seed=3), generic(setting.space, n, seed=4)
    later, earlier = (setting.path.log_prob(x, times(t + d, n), z) for d in (h, -h))
    rate = setting.path.log_prob_rate(x, times(t, n), z)
    is_inside = later.isfinite() & earlier.isfinite() & (later > -600)
    assert is_inside.double().mean() > 0.02
    torch.testing.assert_close(rate[is_inside], ((later - earlier) / (2 * h))[is_inside], rtol=1e-5, atol=1e-5)
    assert not (rate[~later.isfinite()] > 0).any()  # beyond a support that shrinks nothing arrives


@pytest.mark.parametrize("setting", [s for s in DENSE if isinstance(s.path, NoisyPath)], ids=lambda s: s.name)
def test_the_score_is_the_gradient_of_the_logarithm(setting):
    n, t = 200, 0.4
    z, noise = generic(setting.space, n, seed=3), stream(4)
    x = setting.path.sample(setting.space.prior((n,), noise), z, times(t, n), noise)
    score = setting.path.score(x, times(t, n), setting.space.log(x, z))
    v = torch.zeros_like(score, requires_grad=True)
    log_prob = setting.path.log_prob(setting.space.exp(x, v), times(t, n), z)
    is_flat = not log_prob.requires_grad  # as within the support on a torus
    gradient = torch.zeros_like(v) if is_flat else torch.autograd.grad(log_prob.sum(), v)[0]
    torch.testing.assert_close(score, gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("setting", [s for s in DENSE if not isinstance(s.path, GeodesicPath)], ids=lambda s: s.name)
def test_the_canonical_jump_loses_what_it_gains(setting):
    """The mean rate of leaving is the integral of [d/dt p]_+, over which the landing law is normalised.

    On the geodesic path mass leaves at the edge of the support, which no density shows.
    """
    z, n, t = generic(setting.space, 2, seed=1)[1], 20_001, 0.4
    c, x, measure = line(setting, z, t, n)
    at, then = z.expand_as(x), times(t, n)
    density = measure * first_part(torch.exp(setting.path.log_prob(x, then, at)))
    change = density * first_part(setting.path.log_prob_rate(x, then, at))
    leaving = density * first_part(Jump(setting.path).target(x, then, at).rate)
    gained = torch.trapezoid(change.clamp(min=0), c)
    torch.testing.assert_close(torch.trapezoid(leaving, c), gained, rtol=5e-3, atol=0)
    landed = setting.path.sample_landing(times(t, N), z.expand(N, *setting.space.event_shape), stream(5))
    if isinstance(setting.space, Euclidean):
        value = landed[:, 0]
    else:
        value = first_part(setting.space.lengths(setting.space.log(z.expand_as(landed), landed)))
    below = torch.cumulative_trapezoid(change.clamp(min=0), c) / gained
    share = below[torch.bucketize(value, c[1:]).clamp(max=n - 2)]
    expected = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    assert float((share.sort().values - expected).abs().max()) < 1.63 / N**0.5 + 0.002


def test_the_jump_of_straight_lines_is_that_of_the_paper():
    """lambda = [k]_+ / (1 - t)^3, k = x^2 - (t + 1) x z - (1 - t)^2 + t z^2 (arXiv 2410.20587, section 4)."""
    path, n = GaussianPath(Euclidean(1)), 1000
    x, z, t = 2 * stream(1).normal((n, 1)), 2 * stream(2).normal((n, 1)), 0.9 * stream(3).uniform((n,))
    s = t[:, None]
    k = x**2 - (s + 1) * x * z - (1 - s) ** 2 + s * z**2
    torch.testing.assert_close(Jump(path).target(x, t, z).rate, k.clamp(min=0) / (1 - s) ** 3, rtol=1e-9, atol=1e-9)


def test_the_velocity_of_every_gaussian_path_is_that_of_its_curves():
    for setting in SETTINGS:
        if not isinstance(setting.path, GaussianPath):
            continue
        space, n, noise = setting.space, 100, stream(1)
        x0, z, t = space.prior((n,), noise), generic(space, n, 2), 0.95 * noise.uniform((n,))
        curve = partial(setting.path.sample, x0, z, noise=noise)
        slope = torch.func.jvp(curve, (t,), (torch.ones_like(t),))[1]
        x = curve(t)
        torch.testing.assert_close(setting.path.velocity(x, t, z - x), slope, rtol=1e-8, atol=1e-8)


SO3, ANGLE = Rotations(), torch.linspace(0.05, 3.1, 60, dtype=torch.float64)


@pytest.mark.parametrize("t", [0.01, 0.3, 0.6])
def test_the_fisher_law_is_its_closed_form(t):
    """kappa cosh(kappa c) / (2 I_1(kappa)) by the power series of I_1; the rate by that of I_2 / I_1."""
    path = FisherPath(SO3)
    kappa = path.concentration(times(t, 1))

    def bessel(order: int) -> Tensor:
        k = torch.arange(1500, dtype=torch.float64)
        log = (2 * k + order) * torch.log(kappa / 2) - torch.lgamma(k + 1) - torch.lgamma(k + order + 1)
        return torch.logsumexp(log, 0)

    c = torch.cos(ANGLE / 2)
    log_cosh = kappa * c + torch.log1p(torch.exp(-2 * kappa * c)) - math.log(2)
    expected = torch.log(kappa) + log_cosh - math.log(2) - bessel(1)
    at = torch.full_like(ANGLE, t)
    torch.testing.assert_close(path.radial_log_prob(ANGLE, at), expected, rtol=1e-9, atol=1e-9)
    mean = torch.exp(bessel(2) - bessel(1))
    rate = path.concentration.derivative(times(t, 1)) * (c * torch.tanh(kappa * c) - mean)
    torch.testing.assert_close(path.radial_log_prob_rate(ANGLE, at), rate, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.6])
def test_the_heat_kernel_is_its_series(t):
    """sum (2 l + 1) exp(-l (l + 1) eps^2 / 2) sin((l + 1/2) w) / sin(w / 2), and it solves the heat equation:
    d/ds p = 1/2 Laplacian p, s = eps^2."""
    path = IGSO3Path(SO3)
    eps = path.scale(times(t, 1))
    level = torch.arange(400, dtype=torch.float64)[:, None]
    terms = (2 * level + 1) * torch.exp(-level * (level + 1) * eps**2 / 2) * torch.sin((level + 0.5) * ANGLE)
    expected = terms.sum(0) / torch.sin(ANGLE / 2)
    found = torch.exp(path.radial_log_prob(ANGLE, torch.full_like(ANGLE, t)))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_the_geodesic_law_is_its_closed_form():
    """(1 - cos(w / a)) / (a (1 - cos w)) on SO(3), 1 / a on every angle of the torus, a = 1 - t."""
    t = torch.full_like(ANGLE, 0.25)
    inside = ANGLE < math.pi * 0.75
    on_rotations = GeodesicPath(SO3).radial_log_prob(ANGLE, t)
    expected = torch.log((1 - torch.cos(ANGLE / 0.75)) / (0.75 * (1 - torch.cos(ANGLE))))
    torch.testing.assert_close(on_rotations[inside], expected[inside], rtol=1e-9, atol=1e-9)
    on_angles = GeodesicPath(Torus(1)).radial_log_prob(ANGLE, t)
    torch.testing.assert_close(on_angles[inside], torch.full_like(ANGLE[inside], -math.log(0.75)))
    assert (on_rotations[~inside] == -torch.inf).all()
    assert (on_angles[~inside] == -torch.inf).all()


def test_the_von_mises_law_is_its_closed_form():
    """Against torch's own von Mises law, whose density is with respect to the angle: 2 pi times as large here."""
    path = VonMisesPath(Torus(1))
    for t in (0.1, 0.4):
        law = torch.distributions.VonMises(torch.zeros(1, dtype=torch.float64), path.concentration(times(t, 1)))
        found = path.radial_log_prob(ANGLE, torch.full_like(ANGLE, t))
        torch.testing.assert_close(found, law.log_prob(ANGLE) + math.log(2 * math.pi), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if isinstance(s.path, IsotropicPath)], ids=lambda setting: setting.name
)
def test_a_point_beyond_the_support_is_put_back_on_the_path(setting):
    """Draws of the prior at t = .6, where little or nothing of the path lies: one coupling step brings back the law."""
    n, z = 2000, generic(setting.space, 2, seed=1)[1]
    at = z.expand(n, *setting.space.event_shape)
    x = setting.space.prior((n,), stream(1))
    moved = Jump(setting.path).conditional(x, times(0.6, n), times(0.7, n), at, stream(2))
    log_prob = setting.path.log_prob(moved, times(0.695, n), at)  # up to the resolution of the tables
    assert (log_prob > -40).all()
    was_off = setting.path.log_prob(x, times(0.6, n), at) == -torch.inf
    assert was_off.any() == isinstance(setting.path, GeodesicPath)


@pytest.mark.parametrize("weights", [(0.25, 0.75), ((1.0, 0.0), (0.0, 1.0))], ids=["constant", "linear in time"])
def test_a_superposition_has_the_weights_of_its_time(weights):
    """L f at times of [0, .6] is the weighted sum of the parts; as many of n = 4,000 points take the flow's step."""
    path, n = FisherPath(SO3), 4000
    noise = stream(1)
    z, t = SO3.prior((n,), noise), 0.6 * noise.uniform((n,))
    x = path.sample(SO3.prior((n,), noise), z, t, noise)
    flow, jump = Flow(path, marginal="sample"), Jump(path)
    process = Superposition((flow, jump), weights)
    of_flow = 1 - t if weights[0] == (1.0, 0.0) else torch.full_like(t, 0.25)
    total = process.target(x, t, z)
    assert isinstance(total, Sum)
    f = observable(SO3)
    first, second = (part.target(x, t, z).apply(f, x, SO3, stream(9)) for part in (flow, jump))
    expected = of_flow * first + (1 - of_flow) * second
    torch.testing.assert_close(total.apply(f, x, SO3, stream(9)), expected, rtol=1e-9, atol=1e-9)
    moved = process.conditional(x, t, t + 0.1, z, stream(2))
    flows = (moved == flow.conditional(x, t, t + 0.1, z, stream(2))).flatten(1).all(-1).double()
    assert abs(float((flows - of_flow).mean())) < 4 * 0.5 / n**0.5
    assert abs(float(((flows - of_flow) * (t - t.mean())).mean())) < 4 * 0.5 * float(t.std()) / n**0.5


def test_no_point_is_left_without_a_process():
    """The sum of the weights is 1 but for rounding: the largest random number chooses a process all the same."""

    class Largest:
        device = torch.device("cpu")

        def uniform(self, shape):
            return torch.full(tuple(shape), 1 - 2**-24)

        def normal(self, shape):
            return torch.zeros(tuple(shape))

    path, n, noise = GeodesicPath(SO3), 200, SharedNoise.keyed(1)
    x, z, t = SO3.prior((n,), noise), SO3.prior((n,), noise), noise.uniform((n,))
    for first in range(11):
        for last in range(11):
            process = flow_and_jump(path, (first / 10, last / 10))
            moved = process.conditional(x, t, torch.ones(n), z, Largest())
            torch.testing.assert_close(moved, z, atol=1e-5, rtol=0)
