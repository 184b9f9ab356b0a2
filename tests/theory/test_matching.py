"""Conditional and marginal generator matching have equal gradients (arXiv 2410.20587, proposition 2), by enumeration.

Three data points hide behind x_t; the conditional loss is summed over them with their exact posterior, so that nothing
is left to chance. The network is linear in features of x, its parameters shared by all points.
"""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gm_multimodal.bregman import GeneralisedKL, NegativeEntropy, SquaredNorm
from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.oracle import WEIGHTS, Oracle, three_points
from gm_multimodal.parameterizations.base import Parameterization
from gm_multimodal.parameterizations.bins import BinPosterior, BinRates
from gm_multimodal.parameterizations.endpoint import EndpointMean
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.spaces.categorical import MaskedCategorical
from tests.theory.cases import SETTINGS, Setting, readings_of, stream

pytestmark = pytest.mark.theory

N = 60
READINGS = [
    pytest.param(setting, reads, id=f"{setting.name}, {type(reads).__name__}")
    for setting in SETTINGS
    for reads in readings_of(setting.path)
    if not isinstance(reads, PointMass)
]


def points(setting: Setting) -> tuple[Tensor, Tensor]:
    """Draws of the marginal path, [N, *E], and their times, [N]."""
    noise = stream(1)
    z = three_points(setting.space)[torch.arange(N) % 3]
    t = 0.05 + 0.8 * noise.uniform((N,))
    return setting.path.sample(setting.space.prior((N,), noise), z, t, noise), t


def network(reads: Parameterization, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters, and the output that they give, [N, *output_shape]."""
    x = x.double() if x.dtype.is_floating_point else one_hot(x, 6).double()
    features = torch.cat([x.flatten(1), t[:, None], torch.ones(N, 1)], -1).double()
    size = int(torch.tensor(reads.output_shape).prod())
    theta = (0.2 * stream(2).normal((features.shape[1], size))).requires_grad_()
    return theta, (features @ theta).unflatten(-1, reads.output_shape)


def gradient(losses: Tensor, theta: Tensor) -> Tensor:
    return torch.autograd.grad(losses.mean(), theta)[0]


def conditional_loss(reads: Parameterization, output: Tensor, x: Tensor, t: Tensor, p: Tensor, data: Tensor) -> Tensor:
    """E[D(F^z, F^theta) | x_t], [N]."""
    prediction = reads(output, x, t)
    return sum(p[:, k] * prediction.loss(z.expand_as(x)) for k, z in enumerate(data))


def marginal_loss(reads: Parameterization, output: Tensor, x: Tensor, t: Tensor, p: Tensor, data: Tensor) -> Tensor:
    """D(E[F^z | x_t], F^theta), [N], each divergence written out here."""
    match reads:
        case EndpointMean():
            return SquaredNorm().divergence(p @ data, output) / (1 - t.clamp(max=0.9)) ** 2
        case VelocityMean(path=path):
            u = torch.stack([path.velocity(x, t, path.space.log(x, z.expand_as(x))) for z in data], 1)
            return SquaredNorm().divergence(torch.einsum("nk,nkd->nd", p, u), output)
        case CategoricalPosterior(space=space):
            law = p @ one_hot(data, space.size).double()
            hides = (x == space.mask) if isinstance(space, MaskedCategorical) else torch.ones(N, dtype=torch.bool)
            return hides / (1 - t.clamp(max=0.9)) * NegativeEntropy().divergence(law, output.softmax(-1))
        case BinPosterior(bins=bins):
            law = torch.einsum("nk,kdb->ndb", p, one_hot(bins.index(data), bins.count).double())
            return NegativeEntropy().divergence(law, output.softmax(-1)).sum(-1)
        case BinRates():
            at = torch.stack([reads(output.detach(), x, t).target_rates(z.expand_as(x)) for z in data], 1)
            rates = output[..., :1].exp() * output[..., 1:].softmax(-1)
            return GeneralisedKL().divergence(torch.einsum("nk,nkdb->ndb", p, at), rates).sum(-1)
        case TangentMixture(space=space, components=1):  # KL to the normal law with the same moments, up to a constant
            v = space.log(x[:, None], data) / (1 - t)[:, None, None]
            d = space.tangent_dim
            mean, scale = output[:, :d], output[:, d].exp()
            first = torch.einsum("nk,nkd->nd", p, v)
            spread = (p * (v - first[:, None]).square().sum(-1)).sum(-1)
            return 0.5 * (SquaredNorm().divergence(first, mean) + spread) / scale**2 + d * output[:, d]
        case TangentMixture(space=space, components=k):  # cross-entropy of the posterior with the mixture
            v = space.log(x[:, None], data) / (1 - t)[:, None, None]
            d = space.tangent_dim
            means, log_scales, logits = output.split([d * k, k, k], -1)
            parts = torch.distributions.Normal(means.unflatten(-1, (k, d)), log_scales.exp()[..., None])
            mixture = torch.distributions.MixtureSameFamily(
                torch.distributions.Categorical(logits=logits), torch.distributions.Independent(parts, 1)
            )
            return -(p * torch.stack([mixture.log_prob(v[:, j]) for j in range(len(data))], 1)).sum(-1)
    raise NotImplementedError(f"What is the marginal loss of {reads}?")


@pytest.mark.parametrize(("setting", "reads"), READINGS)
def test_the_gradients_of_the_conditional_and_the_marginal_loss_are_equal(setting, reads):
    x, t = points(setting)
    data = three_points(setting.space)
    p = Oracle(setting.path, data, WEIGHTS).posterior(x, t)
    theta, output = network(reads, x, t)
    conditional = gradient(conditional_loss(reads, output, x, t, p, data), theta)
    theta, output = network(reads, x, t)
    marginal = gradient(marginal_loss(reads, output, x, t, p, data), theta)
    assert marginal.abs().max() > 1e-3
    torch.testing.assert_close(conditional, marginal, rtol=1e-8, atol=1e-8 * float(marginal.abs().max()))


@pytest.mark.parametrize(("setting", "reads"), [r for r in READINGS if not isinstance(r.values[1], TangentMixture)])
def test_the_conditional_loss_is_least_at_the_exact_posterior(setting, reads):
    """No output near what an exact network emits is better. (The exact tangent law of points has no finite scale.)"""
    x, t = points(setting)
    data = three_points(setting.space)
    oracle = Oracle(setting.path, data, WEIGHTS)
    p = oracle.posterior(x, t)
    output = oracle.emit(reads, x, t, stream(3)).clamp(min=-700)  # log 0, which has no slope
    if isinstance(reads, BinRates):
        total = output[..., :1].exp().clamp(min=1e-300)
        output = torch.cat([total.log(), output[..., 1:] - total.log()], -1).clamp(min=-700)
    least = conditional_loss(reads, output, x, t, p, data)
    for seed in range(20):
        other = output + 0.1 * stream(seed).normal(output.shape)
        assert (conditional_loss(reads, other, x, t, p, data) >= least - 1e-9 * least.abs().clamp(min=1)).all()


def test_a_divergence_that_is_not_bregman_has_another_gradient():
    """The absolute error is minimised by the median: its conditional and marginal gradients differ."""
    setting = SETTINGS[0]
    x, t = points(setting)
    data = three_points(setting.space)
    p = Oracle(setting.path, data, WEIGHTS).posterior(x, t)
    theta, output = network(EndpointMean(setting.space), x, t)
    conditional = gradient(sum(p[:, k] * (output - z).abs().sum(-1) for k, z in enumerate(data)), theta)
    theta, output = network(EndpointMean(setting.space), x, t)
    marginal = gradient((output - p @ data).abs().sum(-1), theta)
    assert (conditional - marginal).abs().max() > 0.05 * marginal.abs().max()


def test_a_point_mass_cannot_be_fitted():
    setting = SETTINGS[5]
    x, t = points(setting)
    with pytest.raises(IncompatibleProcess, match="PointMassPrediction cannot be fitted"):
        PointMass(setting.space)(x, x, t).loss(x)
