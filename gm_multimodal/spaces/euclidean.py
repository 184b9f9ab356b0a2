"""Euclidean space R^d with a standard normal prior."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise


@final
@dataclass(frozen=True)
class Euclidean:
    """R^d; geodesics are straight lines.

    Attributes:
        dim: d.
        scale: standard deviation of the prior, in the unit of the coordinates.
    """

    dim: int
    scale: float = 1.0

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(d,)."""
        return (self.dim,)

    @property
    def tangent_dim(self) -> int:
        """The dimension d."""
        return self.dim

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw x_0 ~ N(0, scale^2 I), [*B, d]."""
        return self.scale * noise.normal((*batch, self.dim))

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which entries are finite points of R^d, bool [*B]."""
        return torch.isfinite(x).all(-1)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v, [*B, d]."""
        return x + v

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x, [*B, d]."""
        return y - x
