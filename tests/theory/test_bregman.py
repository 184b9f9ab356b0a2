"""Bregman divergences, and that every loss is the divergence that it claims to be."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gm_multimodal.bregman import Bregman, GeneralisedKL, NegativeEntropy, SquaredNorm
from gm_multimodal.parameterizations.bins import BinPosterior, BinRates, Bins
from gm_multimodal.parameterizations.endpoint import EndpointMean
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.spaces.torus import Torus
from tests.theory.cases import stream

pytestmark = pytest.mark.theory

ALL = pytest.mark.parametrize("bregman", [SquaredNorm(), GeneralisedKL(), NegativeEntropy()], ids=str)
N = 200


def inside(bregman: Bregman, n: int, seed: int) -> Tensor:
    """Points in the interior of the domain, [n, 4]."""
    normal = stream(seed).normal((n, 4))
    return (
        normal
        if isinstance(bregman, SquaredNorm)
        else normal.exp()
        if isinstance(bregman, GeneralisedKL)
        else normal.softmax(-1)
    )


@ALL
def test_a_divergence_is_positive_and_zero_only_where_both_are_equal(bregman):
    a, b = inside(bregman, N, 1), inside(bregman, N, 2)
    assert (bregman.divergence(a, b) > 0).all()
    assert bregman.divergence(a, a).abs().max() < 1e-14
    near, nearer = (bregman.divergence(a, a + h * (b - a)) for h in (2e-5, 1e-5))
    torch.testing.assert_close(near / nearer, torch.full_like(near, 4.0), rtol=0.01, atol=0)  # not flat anywhere


@ALL
def test_a_divergence_is_what_a_convex_function_exceeds_its_tangent_by(bregman):
    """phi(a) - phi(b) - <a - b, grad phi(b)>, the gradient by autograd."""
    a, b = inside(bregman, N, 1), inside(bregman, N, 2).requires_grad_()
    (slope,) = torch.autograd.grad(bregman.phi(b).sum(), b)
    expected = bregman.phi(a) - bregman.phi(b) - ((a - b) * slope).sum(-1)
    torch.testing.assert_close(bregman.divergence(a, b), expected, atol=1e-12, rtol=1e-12)


@ALL
def test_the_mean_alone_minimises_the_mean_divergence(bregman):
    """argmin_b E D(A, b) = E A: the gradient vanishes there, and 200 other points of the domain are worse."""
    a, weights = inside(bregman, 5, 3), torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05], dtype=torch.float64)

    def mean_divergence(b: Tensor) -> Tensor:
        return (weights * bregman.divergence(a, b.expand(5, 4))).sum()

    mean = (weights @ a).requires_grad_()
    (slope,) = torch.autograd.grad(mean_divergence(mean), mean)
    along = slope - slope.mean() if isinstance(bregman, NegativeEntropy) else slope  # directions within the simplex
    assert along.abs().max() < 1e-12
    least = mean_divergence(mean.detach())
    others = torch.cat(
        [inside(bregman, N // 2, 4), mean.detach() + 0.01 * (inside(bregman, N // 2, 5) - mean.detach())]
    )
    assert all(mean_divergence(b) > least for b in others)
    assert mean_divergence(others[0]) > least + 0.01


@pytest.mark.parametrize(
    ("bregman", "a", "is_in"),
    [
        (SquaredNorm(), [-1.0, 1e9], True),
        (SquaredNorm(), [float("inf"), 0.0], False),
        (GeneralisedKL(), [0.0, 7.0], True),
        (GeneralisedKL(), [-1e-9, 7.0], False),
        (NegativeEntropy(), [0.0, 1.0], True),
        (NegativeEntropy(), [0.5, 0.6], False),
        (NegativeEntropy(), [-0.1, 1.1], False),
    ],
    ids=str,
)
def test_a_domain_ends_where_it_says(bregman, a, is_in):
    assert bool(bregman.contains(torch.tensor(a))) is is_in


@pytest.mark.parametrize("bregman", [GeneralisedKL(), NegativeEntropy()], ids=str)
def test_what_does_not_occur_costs_no_logarithm(bregman):
    """A first argument of zero is in the domain: D is finite there, even against zero."""
    a = torch.tensor([0.0, 0.25, 0.75], dtype=torch.float64)
    b = torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64)
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    torch.testing.assert_close(bregman.divergence(a, b), torch.tensor(expected, dtype=torch.float64))
    assert bregman.divergence(b.flip(0), a) == torch.inf  # what occurs must not be ruled out


def test_rates_are_compared_by_their_logarithms():
    a, b = inside(GeneralisedKL(), N, 1), inside(GeneralisedKL(), N, 2)
    torch.testing.assert_close(GeneralisedKL().divergence_from_log(a, b.log()), GeneralisedKL().divergence(a, b))


PLANE, MASKING, UNIFORM, BINS = Euclidean(2), MaskedCategorical(4), Categorical(4), Bins(-3.0, 3.0, 12)


def points(seed: int, n: int = 50) -> Tensor:
    return stream(seed).normal((n, 2))


def some_times(n: int = 50) -> Tensor:
    return torch.linspace(0.05, 0.85, n, dtype=torch.float64)


def test_the_loss_of_an_endpoint_is_the_squared_norm_of_the_straight_velocity():
    """|z_hat - z|^2 / (1 - t)^2 = |u(x | z_hat) - u(x | z)|^2, u = (z - x) / (1 - t)."""
    x, z, output, t = points(1), points(2), points(3), some_times()
    velocity, predicted = ((end - x) / (1 - t)[:, None] for end in (z, output))
    loss = EndpointMean(PLANE)(output, x, t).loss(z)
    torch.testing.assert_close(loss, SquaredNorm().divergence(velocity, predicted), atol=0, rtol=1e-12)


def test_the_loss_of_a_velocity_is_the_squared_norm():
    """On R^d against (z - x) / (1 - t), on the torus against the shortest way divided by the time left."""
    x, z, output, t = points(1), points(2), points(3), some_times()
    loss = VelocityMean(GaussianPath(PLANE))(output, x, t).loss(z)
    torch.testing.assert_close(loss, SquaredNorm().divergence((z - x) / (1 - t)[:, None], output), rtol=1e-10, atol=0)
    x, z = x.clamp(-3, 3), z.clamp(-3, 3)
    way = torch.atan2((z - x).sin(), (z - x).cos())
    loss = VelocityMean(GeodesicPath(Torus(2)))(output, x, t).loss(z)
    torch.testing.assert_close(loss, SquaredNorm().divergence(way / (1 - t)[:, None], output), rtol=1e-10, atol=0)


@pytest.mark.parametrize("space", [MASKING, UNIFORM], ids=str)
def test_the_loss_of_a_class_is_the_divergence_of_the_negative_entropy(space):
    """KL from the point mass at z, times 1 / (1 - t); on the masking path only where z is hidden."""
    logits, t = stream(1).normal((50, 4)), some_times()
    z, x = torch.arange(50) % 4, torch.arange(50) % 5 if space is MASKING else torch.arange(50) % 3
    weight = torch.where((x == 4) | torch.tensor(space is UNIFORM), 1 / (1 - t), 0.0)
    expected = weight * NegativeEntropy().divergence(one_hot(z, 4).double(), logits.softmax(-1))
    torch.testing.assert_close(CategoricalPosterior(space)(logits, x, t).loss(z), expected)


def test_the_loss_of_bins_is_the_sum_over_coordinates_of_divergences_of_the_negative_entropy():
    logits, z = stream(1).normal((50, 2, 12)), points(2)
    bins = torch.bucketize(z, torch.linspace(-3, 3, 13, dtype=torch.float64)[1:-1], right=True)
    expected = NegativeEntropy().divergence(one_hot(bins, 12).double(), logits.softmax(-1)).sum(-1)
    torch.testing.assert_close(BinPosterior(PLANE, BINS)(logits, points(1), some_times()).loss(z), expected)


def test_the_loss_of_rates_is_the_generalised_kullback_leibler_divergence():
    """Against lambda = [k(x)]_+ / (1 - t)^3 spread by [-k]_+ N(t z, (1 - t)^2) over the middles of the bins, with
    k(y) = y^2 - (t + 1) y z - (1 - t)^2 + t z^2 (arXiv 2410.20587, section 7)."""
    x, z, output, t = points(1), points(2), stream(3).normal((50, 2, 13)), some_times()

    def k(y: Tensor, z: Tensor, t: Tensor) -> Tensor:
        return y**2 - (t + 1) * y * z - (1 - t) ** 2 + t * z**2

    rate = k(x, z, t[:, None]).clamp(min=0) / (1 - t[:, None]) ** 3
    y, at, then = torch.linspace(-2.75, 2.75, 12, dtype=torch.float64), z[..., None], t[:, None, None]
    landing = (-k(y, at, then)).clamp(min=0) * torch.exp(-0.5 * ((y - then * at) / (1 - then)) ** 2)
    landed = landing.sum(-1, keepdim=True)
    target = rate[..., None] * torch.where(landed > 0, landing / landed, 0.0)
    prediction = BinRates(GaussianPath(PLANE), BINS)(output, x, t)
    is_resolved = (landed > 0).squeeze(-1).all(-1)
    assert is_resolved.double().mean() > 0.8
    torch.testing.assert_close(prediction.target_rates(z)[is_resolved], target[is_resolved], rtol=1e-9, atol=1e-9)
    rates = output[..., :1].exp() * output[..., 1:].softmax(-1)
    expected = GeneralisedKL().divergence(target, rates).sum(-1)
    torch.testing.assert_close(prediction.loss(z)[is_resolved], expected[is_resolved], rtol=1e-9, atol=1e-9)
    jump = prediction.generator()
    torch.testing.assert_close(jump.rate, rates.sum(-1))


@pytest.mark.parametrize("components", [1, 3])
def test_the_loss_of_a_tangent_law_is_that_of_a_normalised_density(components):
    """exp(-loss) integrates to (2 pi)^(3/2), its missing constant, over v = log_x(z) / (1 - t): grid of 41^3 points."""
    space, t = Rotations(), torch.tensor([0.4], dtype=torch.float64)
    x, k = space.prior((1,), stream(1)), components
    means = 0.4 * stream(2).normal((1, 3 * k))
    scales = torch.tensor([0.5, 0.35, 0.6], dtype=torch.float64)[None, :k]
    output = torch.cat([means, scales.log(), stream(3).normal((1, k))[:, : k if k > 1 else 0]], -1)
    axis = torch.linspace(-4, 4, 41, dtype=torch.float64)  # (1 - t) |v| < pi but for corners without mass
    v = torch.cartesian_prod(axis, axis, axis)
    v = v[v.norm(dim=-1) < 5]
    n = len(v)
    prediction = TangentMixture(space, k)(output.expand(n, -1), x.expand(n, 3, 3), t.expand(n))
    density = torch.exp(-prediction.loss(space.exp(x, 0.6 * v)))
    assert float(density.sum()) * 0.2**3 == pytest.approx((2 * math.pi) ** 1.5, rel=1e-4)
    mean = (density[:, None] * v).sum(0) / density.sum()
    torch.testing.assert_close(0.6 * mean, prediction.displacement()[0], atol=1e-3, rtol=0)
