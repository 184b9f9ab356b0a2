"""The exact posterior over finitely many data points, for every path, and what an exact network would emit.

A network that knows the data shows what a process, a way of reading or a number of steps costs by itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gm_multimodal.noise import Noise, SharedNoise
from gm_multimodal.parameterizations.base import Parameterization
from gm_multimodal.parameterizations.bins import BinPosterior, BinRates
from gm_multimodal.parameterizations.endpoint import EndpointMean
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.paths.base import ConditionalPath, DensePath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.spaces.base import Manifold, StateSpace, expand_as
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical, draw_categorical
from gm_multimodal.spaces.euclidean import Euclidean

NEVER = -1e4  # logarithm of a likelihood of zero that stays finite where every data point is impossible
SPREAD = 1e-6  # of a law that stands for a point mass
THERE = 1e-5  # distance at which a point has arrived

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def three_points(space: StateSpace) -> Tensor:
    """Data without symmetry, [3, *E]: on R^d at the middles of the bins, on a set three of its four states."""
    if isinstance(space, Euclidean):
        return torch.tensor([[-1.25, 0.75], [0.25, -0.75], [1.75, 1.25]], dtype=torch.float64)[:, : space.dim]
    if isinstance(space, MaskedCategorical | Categorical):
        return torch.tensor([0, 1, 3])
    return space.prior((3,), SharedNoise(torch.Generator().manual_seed(5), torch.float64))


def distance(space: StateSpace, x: Tensor, z: Tensor) -> Tensor:
    """From x to z, [*B]; 0 or 1 on a set."""
    return space.log(x, z).norm(dim=-1) if isinstance(space, Manifold) else (x != z).double()


def log_likelihood(path: ConditionalPath, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
    """Return log p_t(x | z) up to a constant that does not depend on z, [*B].

    Off a path whose support shrinks, where a step of finite size can lead, the nearest data point is the likeliest.
    """
    space = path.space
    if isinstance(path, DensePath):
        log_prob = path.log_prob(x, t, z)
        log_prob = torch.where(
            log_prob > -torch.inf, log_prob, expand_as(NEVER * (1 + distance(space, x, z)), log_prob)
        )
        return log_prob.sum(-1) if log_prob.ndim > t.ndim else log_prob
    assert isinstance(path, MixturePath)
    is_there = distance(space, x, z) < THERE
    if isinstance(space, Categorical):
        k = path.weight(t)
        return torch.log((1 - k) / space.size + k * is_there)
    return torch.where(is_there, 0.0, NEVER)  # elsewhere the prior's draw, which says nothing of z


@dataclass(frozen=True)
class Oracle:
    """A network that knows the data.

    Attributes:
        path: how the data are hidden.
        data: z_k, [K, *E].
        weights: their probabilities, [K].
    """

    path: ConditionalPath
    data: Tensor
    weights: Tensor

    def posterior(self, x: Tensor, t: Tensor) -> Tensor:
        """P(z = z_k | x_t), [n, K]."""
        likelihood = log_likelihood(self.path, x[:, None], t[:, None], self.data[None])
        return (self.weights.log() + likelihood).softmax(-1)

    def emit(self, reads: Parameterization, x: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """The output that makes a parameterization say all it can of the posterior, [n, *output_shape]."""
        p, data = self.posterior(x, t), self.data
        match reads:
            case PointMass():  # a draw of the joint posterior
                return data[draw_categorical(p, noise)]
            case CategoricalPosterior(space=space):
                return (p @ one_hot(data, space.size).to(p)).log()
            case EndpointMean():
                return p @ data
            case VelocityMean(path=path):
                return torch.einsum(
                    "nk,nkd->nd", p, path.velocity(x[:, None], t[:, None], path.space.log(x[:, None], data))
                )
            case BinPosterior(bins=bins):
                return torch.einsum("nk,kdb->ndb", p, one_hot(bins.index(data), bins.count).to(p)).log()
            case BinRates(path=path):
                at = torch.stack([reads(x.new_zeros(*x.shape, 2), x, t).target_rates(z.expand_as(x)) for z in data])
                rates = torch.einsum("nk,kndb->ndb", p, at)
                return torch.cat([rates.sum(-1, keepdim=True), rates], -1).log()
            case TangentMixture(space=space, components=components):
                v = space.log(x[:, None], data) / (1 - t)[:, None, None]
                if components == 1:
                    mean = torch.einsum("nk,nkd->nd", p, v)
                    return torch.cat([mean, torch.zeros_like(mean[:, :1])], -1)
                return torch.cat([v.flatten(1), torch.full_like(p, SPREAD).log(), p.log()], -1)
        raise NotImplementedError(f"What would an exact network emit for {reads}?")


def total_variation(a: Tensor, b: Tensor, bins: int = 40) -> float:
    """Half the L1 distance of two histograms over bins of equal mass in the pooled sample; exact for integers."""
    if not a.dtype.is_floating_point:
        size = int(max(a.max(), b.max())) + 1
        first, second = a.bincount(minlength=size), b.bincount(minlength=size)
    else:
        edges = torch.cat([a, b]).quantile(torch.linspace(0, 1, bins + 1, dtype=a.dtype)[1:-1])
        first, second = (torch.bucketize(s.contiguous(), edges).bincount(minlength=bins) for s in (a, b))
    return float((first / len(a) - second / len(b)).abs().sum() / 2)
