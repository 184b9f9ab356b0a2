"""The torus: d angles in [-pi, pi) (rad), such as the torsions of a residue; every angle is a part of its own."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise


@final
@dataclass(frozen=True)
class Torus:
    """(R / 2 pi Z)^d with the flat metric; the prior is uniform.

    Attributes:
        dim: number of angles d.
    """

    dim: int

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(d,)."""
        return (self.dim,)

    @property
    def tangent_dim(self) -> int:
        """The dimension d."""
        return self.dim

    @property
    def radius(self) -> float:
        """Half a turn (rad)."""
        return math.pi

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw uniform angles, [*B, d]."""
        return 2 * math.pi * noise.uniform((*batch, self.dim)) - math.pi

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which entries are angles in [-pi, pi], bool [*B]."""
        return (x.abs() <= math.pi + tolerance).all(-1)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v, wrapped, [*B, d]."""
        return _wrap(x + v)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x, wrapped into [-pi, pi), [*B, d]."""
        return _wrap(y - x)

    def radial_density(self, r: Tensor) -> Tensor:
        """Return 1 / pi: the distance of two uniform angles is uniform on [0, pi]."""
        return torch.full_like(r, 1 / math.pi)

    def lengths(self, v: Tensor) -> Tensor:
        """Return |v| of every angle, [*B, d]."""
        return v.abs()

    def directions(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw a fair sign for every angle, [*B, d]."""
        u = noise.uniform((*batch, self.dim))
        return torch.where(u < 0.5, -torch.ones_like(u), torch.ones_like(u))


def _wrap(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
