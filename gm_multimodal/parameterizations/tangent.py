"""The law of the scaled tangent v = log_{x_t}(z) / (1 - t), in the frame of x_t."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold, expand_as
from gm_multimodal.spaces.rotations import Rotations

# 1 - t below which a tangent is no longer resolved in single precision; such points have arrived.
SMALLEST_REMAINDER = 1e-4


@final
@dataclass(frozen=True)
class TangentPrediction:
    """v ~ N(mean, scale^2 I) in the tangent space at x, so that z = exp_x((1 - t) v).

    Attributes:
        space: the manifold.
        x: where the process is, [*B, *E].
        t: path time, [*B].
        tangent: mean of v, [*B, *T] (rad on SO(3)).
        log_scale: logarithm of the standard deviation of v, [*B].
    """

    space: Manifold
    x: Tensor
    t: Tensor
    tangent: Tensor
    log_scale: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return -log density of v = log_x(z) / (1 - t), without its constant, [*B]; finite as t -> 1."""
        remainder = (1 - self.t).clamp(min=SMALLEST_REMAINDER)
        v = self.space.log(self.x, z) / expand_as(remainder, self.tangent)
        residual = (v - self.tangent) * torch.exp(-expand_as(self.log_scale, self.tangent))
        return 0.5 * residual.square().sum(-1) + self.tangent.shape[-1] * self.log_scale

    def mean(self) -> Tensor:
        """Return exp_x((1 - t) E[v]), [*B, *E]."""
        return self.space.exp(self.x, self.displacement())

    def sample(self, noise: Noise) -> Tensor:
        """Draw v and return exp_x((1 - t) v), [*B, *E]."""
        normal = noise.normal(self.tangent.shape).to(self.tangent)
        v = self.tangent + torch.exp(expand_as(self.log_scale, self.tangent)) * normal
        return self.space.exp(self.x, expand_as(1 - self.t, v) * v)

    def displacement(self) -> Tensor:
        """Return (1 - t) E[v], [*B, *T]."""
        return expand_as(1 - self.t, self.tangent) * self.tangent


@final
@dataclass(frozen=True)
class TangentGaussian:
    """Reads the output [*B, 3 + 1] on SO(3) as (E[v], log scale), in the frame of x_t: invariant under rotations.

    On the geodesic path v is the constant velocity of the particle, |v| <= pi; a prediction is not truncated to that
    ball, because a posterior of finite width has mass beyond it.
    """

    space: Rotations

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(4,): three coordinates of the mean and the logarithm of the scale."""
        return (4,)

    @property
    def predicts(self) -> type:
        """TangentPrediction."""
        return TangentPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> TangentPrediction:
        """Split the output [*B, 4] into mean and log scale."""
        return TangentPrediction(self.space, x, t, output[..., :3], output[..., 3])
