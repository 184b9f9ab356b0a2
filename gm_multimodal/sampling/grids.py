"""Time grids: the only place where sampling times are made."""

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor


class TimeGrid(Protocol):
    """Increasing times from 0 to 1."""

    def times(self) -> Tensor:
        """Return t_0 = 0 < t_1 < ... < t_n = 1, float64 [n + 1]."""
        ...


@final
@dataclass(frozen=True)
class UniformGrid:
    """Equal steps of sampling time; the clocks of the factors bend it.

    Attributes:
        steps: number of steps, each one network call.
    """

    steps: int

    def __post_init__(self) -> None:
        """Refuse a grid without a step."""
        if self.steps < 1:
            raise ValueError(f"UniformGrid: steps is {self.steps}; give at least 1.")

    def times(self) -> Tensor:
        """Return i / steps for i = 0 ... steps, float64."""
        return torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
