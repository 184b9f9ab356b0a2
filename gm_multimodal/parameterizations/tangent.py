"""The law of the scaled tangent v = log_{x_t}(z) / (1 - t), in the frame of x_t: a mixture of isotropic Gaussians."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold, expand_as
from gm_multimodal.spaces.categorical import draw_categorical

# 1 - t below which a tangent is no longer resolved in single precision; such points have arrived.
SMALLEST_REMAINDER = 1e-4


@final
@dataclass(frozen=True)
class TangentPrediction:
    """v ~ sum_k w_k N(m_k, s_k^2 I) in the tangent space at x, so that z = exp_x((1 - t) v).

    Attributes:
        space: the manifold.
        x: where the process is, [*B, *E].
        t: path time, [*B].
        means: m_k, [*B, K, *T] (rad on SO(3)).
        log_scales: log s_k, [*B, K].
        logits: log w_k up to a constant, [*B, K].
    """

    space: Manifold
    x: Tensor
    t: Tensor
    means: Tensor
    log_scales: Tensor
    logits: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return -log density of v = log_x(z) / (1 - t), without its constant, [*B]; finite as t -> 1."""
        v = self.space.log(self.x, z)
        v = v / expand_as((1 - self.t).clamp(min=SMALLEST_REMAINDER), v)
        residual = (v[..., None, :] - self.means) * torch.exp(-self.log_scales)[..., None]
        log_density = -0.5 * residual.square().sum(-1) - v.shape[-1] * self.log_scales
        return -torch.logsumexp(self.logits.log_softmax(-1) + log_density, -1)

    def mean(self) -> Tensor:
        """Return exp_x((1 - t) E[v]), [*B, *E]."""
        return self.space.exp(self.x, self.displacement())

    def sample(self, noise: Noise) -> Tensor:
        """Draw v, and return exp_x((1 - t) v), [*B, *E]."""
        v = self.draw(noise)
        return self.space.exp(self.x, expand_as(1 - self.t, v) * v)

    def draw(self, noise: Noise) -> Tensor:
        """Draw a component and v, [*B, *T]."""
        k = draw_categorical(self.logits.softmax(-1), noise)[..., None]
        mean = self.means.gather(-2, k[..., None].expand(*k.shape, self.means.shape[-1])).squeeze(-2)
        normal = noise.normal(mean.shape).to(mean)
        return mean + torch.exp(self.log_scales.gather(-1, k)) * normal

    def displacement(self) -> Tensor:
        """Return (1 - t) E[v], [*B, *T]."""
        mean = (self.logits.softmax(-1)[..., None] * self.means).sum(-2)
        return expand_as(1 - self.t, mean) * mean


@final
@dataclass(frozen=True)
class TangentMixture:
    """Reads the output [*B, (d + 2) K] as (m_k, log s_k, logit_k), d being the dimension of the manifold.

    Means are in the frame of x_t: on SO(3) the law is invariant under rotations. One component has no logit: the
    output is [*B, d + 1]. On the geodesic path v is the constant velocity of the particle; a prediction is not
    truncated to the |v| that geodesics have, because a posterior of finite width has mass beyond it.

    Attributes:
        space: the manifold.
        components: K.
    """

    space: Manifold
    components: int = 1

    def __post_init__(self) -> None:
        """Refuse a mixture of nothing."""
        if self.components < 1:
            raise ValueError(f"TangentMixture: components is {self.components}; give 1 or more.")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """((d + 2) K,), or (d + 1,) for one component."""
        d = self.space.tangent_dim
        return (d + 1,) if self.components == 1 else ((d + 2) * self.components,)

    @property
    def predicts(self) -> type:
        """TangentPrediction."""
        return TangentPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> TangentPrediction:
        """Split the output into means [*B, d K], log scales [*B, K] and logits [*B, K]."""
        k, d = self.components, self.space.tangent_dim
        means, log_scales, logits = output.split([d * k, k, output.shape[-1] - (d + 1) * k], -1)
        logits = logits if k > 1 else torch.zeros_like(log_scales)
        return TangentPrediction(self.space, x, t, means.unflatten(-1, (k, d)), log_scales, logits)
