"""Clocks: increasing maps of [0, 1] onto itself that turn sampling time into a factor's own path time."""

import math
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor


class Schedule(Protocol):
    """An increasing function tau with tau(0) = 0 and tau(1) = 1."""

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t), same shape as `t`; exactly 0 at 0 and 1 at 1."""
        ...


@final
@dataclass(frozen=True)
class Linear:
    """tau(t) = t."""

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t) = t."""
        return t


@final
@dataclass(frozen=True)
class Exponential:
    """tau(t) = (1 - exp(-c t)) / (1 - exp(-c)): fast early, slow late (MultiFlow, arXiv 2402.04997, appendix G).

    Attributes:
        rate: c > 0 [1/time].
    """

    rate: float

    def __post_init__(self) -> None:
        """Refuse a rate that is not positive."""
        if not self.rate > 0:
            raise ValueError(f"Exponential schedule: rate is {self.rate}; give a positive number (c = 0 is Linear).")

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t); expm1 keeps it exact near 0, and t = 1 gives exactly 1."""
        return torch.where(t >= 1, torch.ones_like(t), torch.expm1(-self.rate * t) / math.expm1(-self.rate))
