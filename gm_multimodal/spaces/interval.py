"""A bounded interval with a uniform prior."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise


@final
@dataclass(frozen=True)
class Interval:
    """[lower, upper]; a walk that meets an end is reflected there. One number is a point, [*B, 1].

    Attributes:
        lower: left end.
        upper: right end.
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        """Refuse an interval without length."""
        if not self.lower < self.upper:
            raise ValueError(f"Interval: [{self.lower}, {self.upper}] has no length; give lower < upper.")

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(1,)."""
        return (1,)

    @property
    def tangent_dim(self) -> int:
        """One."""
        return 1

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw uniform numbers, [*B, 1]."""
        return self.lower + (self.upper - self.lower) * noise.uniform((*batch, 1))

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which entries lie in the interval, bool [*B]."""
        return ((x >= self.lower - tolerance) & (x <= self.upper + tolerance)).all(-1)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v, folded back at the ends as often as it takes, [*B, 1]."""
        length = self.upper - self.lower
        return self.lower + length - (torch.remainder(x + v - self.lower, 2 * length) - length).abs()

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x, [*B, 1]."""
        return y - x
