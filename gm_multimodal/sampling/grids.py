"""Time grids: the only place where sampling times are made."""

import math
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class TimeGrid(Protocol):
    """Increasing times, the last of which is 1."""

    def times(self) -> Tensor:
        """Return 0 <= t_0 < t_1 < ... < t_n = 1, float64 [n + 1]."""
        ...


@final
@dataclass(frozen=True)
class UniformGrid:
    """Equal steps of sampling time, but for the last; the clocks of the factors bend it.

    What a network gets wrong early in a small step stays: later steps can move a point only by what time is left. A
    longer last step takes the network's whole correction at once.

    Attributes:
        steps: number of steps, each one network call.
        last_step: share in (0, 1) of the time between `start` and 1 that the last step takes; None makes it as long as
            the others.
        start: t_0 in [0, 1), where the simulation begins.
    """

    steps: int
    last_step: float | None = None
    start: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a grid without a step, a last step that leaves no time for the others, and a start beyond the end."""
        if self.steps < 1:
            raise ValueError(f"UniformGrid: steps is {self.steps}; give at least 1.")
        if self.last_step is not None and not 0 < self.last_step < 1:
            raise ValueError(f"UniformGrid: last_step is {self.last_step}; give a number between 0 and 1.")
        if not 0 <= self.start < 1:
            raise ValueError(f"UniformGrid: start is {self.start}; give a number from 0 to below 1.")

    def times(self) -> Tensor:
        """Return the times, float64 [steps + 1]; a single step goes all the way whatever `last_step` says."""
        before = 1 - (1 / self.steps if self.last_step is None or self.steps == 1 else self.last_step)
        first = torch.arange(self.steps, dtype=torch.float64) * (before / max(1, self.steps - 1))
        return torch.cat([self.start + (1 - self.start) * first, torch.ones(1, dtype=torch.float64)])


@final
@dataclass(frozen=True)
class ShrinkingGrid:
    """From 0 to 1 - remainder: in every step the time that is left shrinks by the same factor.

    The velocity of a path grows like 1 / (1 - t). A quadrature with these steps and their `middles` is exact for that
    function itself, and leaves the smooth rest to the midpoint rule.

    Attributes:
        steps: number of steps.
        remainder: time that is left at the end, in (0, 1).
    """

    steps: int
    remainder: float

    def __post_init__(self) -> None:
        """Refuse a grid without a step, or one that reaches the pole at 1."""
        if self.steps < 1:
            raise ValueError(f"ShrinkingGrid: steps is {self.steps}; give at least 1.")
        if not 0 < self.remainder < 1:
            raise ValueError(f"ShrinkingGrid: remainder is {self.remainder}; give a number between 0 and 1.")

    def times(self) -> Tensor:
        """Return the times, float64 [steps + 1], from 0 to 1 - remainder."""
        return 1 - self.remainder ** (torch.arange(self.steps + 1, dtype=torch.float64) / self.steps)

    def middles(self) -> Tensor:
        """Return where within each step 1 / (1 - t) takes its mean: 1 - the logarithmic mean of 1 - t, [steps]."""
        times = self.times()
        return 1 - times.diff() * self.steps / -math.log(self.remainder)
