"""Functions of time, each with its derivative: clocks, mixture weights, Gaussian coefficients, concentrations.

A clock tau or a mixture weight k increases from 0 at t = 0 to 1 at t = 1. Every schedule is exact at both ends.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect

BISECTIONS: Final = 30
"""Halvings of [0, 1]: to the last digit of single precision."""


@runtime_checkable
class Schedule(Protocol):
    """An increasing function tau with tau(0) = 0 and tau(1) = 1."""

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t), same shape as `t`; exactly 0 at 0 and 1 at 1."""
        ...

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate d tau / dt, same shape as `t` [1/time]."""
        ...


def expect_schedule(owner: object, name: str, schedule: object) -> None:
    """Refuse a part of an object that is not a schedule from 0 to 1, naming both.

    Raises:
        IncompatibleProcess: what came is not a schedule, or has other values at the ends.
    """
    expect(owner, name, schedule, Schedule)
    assert isinstance(schedule, Schedule)
    first, last = schedule(torch.tensor([0.0, 1.0])).tolist()
    if abs(first) > 1e-6 or abs(last - 1) > 1e-6:
        raise IncompatibleProcess(
            f"{type(owner).__name__} takes a schedule from 0 to 1 for its {name}; {schedule} goes from {first:g} to "
            f"{last:g}."
        )


def inverse(schedule: Schedule, value: Tensor) -> Tensor:
    """Return the t in [0, 1] where a schedule has a value in [0, 1], by bisection; exact at both ends."""
    low, high = torch.zeros_like(value), torch.ones_like(value)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_below = schedule(middle) < value
        low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return torch.where(value <= 0, 0.0, torch.where(value >= 1, 1.0, (low + high) / 2))


@final
@dataclass(frozen=True)
class Linear:
    """tau(t) = t."""

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t) = t."""
        return t

    def derivative(self, t: Tensor) -> Tensor:
        """Return 1."""
        return torch.ones_like(t)


@final
@dataclass(frozen=True)
class Power:
    """tau(t) = t^p.

    Attributes:
        power: p >= 1; above 1 is slow early.
    """

    power: float

    def __post_init__(self) -> None:
        """Refuse a power whose derivative is infinite at 0."""
        if not self.power >= 1:
            raise ValueError(f"Power schedule: power is {self.power}; give 1 or more.")

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate t^p."""
        return t**self.power

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate p t^(p - 1)."""
        return self.power * t ** (self.power - 1)


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

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate c exp(-c t) / (1 - exp(-c))."""
        return -self.rate * torch.exp(-self.rate * t) / math.expm1(-self.rate)


@final
@dataclass(frozen=True)
class Window:
    """tau(t) = clock((t - start) / (end - start)) between start and end; 0 before, 1 after.

    Factors whose windows differ move one after the other: a simulation may take them in any order that the network has
    seen in training, since all paths that end at the data have the same law there.

    Attributes:
        clock: what runs in the window.
        start: in [0, end).
        end: in (start, 1].
    """

    clock: Schedule
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is not a clock, and a window that is empty or not within [0, 1]."""
        expect_schedule(self, "clock", self.clock)
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(f"Window schedule: from {self.start} to {self.end}; give 0 <= start < end <= 1.")

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate tau(t)."""
        return self.clock(self._within(t))

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate d tau / dt [1/time]; 0 outside of the window."""
        inside = (t >= self.start) & (t <= self.end)
        return torch.where(inside, self.clock.derivative(self._within(t)) / (self.end - self.start), 0.0)

    def _within(self, t: Tensor) -> Tensor:
        return ((t - self.start) / (self.end - self.start)).clamp(0, 1)


@runtime_checkable
class GaussianSchedule(Protocol):
    """Coefficients of x_t = alpha_t z + sigma_t x_0 with sigma_0 = 1, alpha_1 = 1, sigma_1 = 0."""

    def alpha(self, t: Tensor) -> Tensor:
        """Evaluate the coefficient of the data."""
        ...

    def sigma(self, t: Tensor) -> Tensor:
        """Evaluate the coefficient of the noise."""
        ...

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Evaluate d alpha / dt [1/time]."""
        ...

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Evaluate d sigma / dt [1/time]."""
        ...


@final
@dataclass(frozen=True)
class CondOT:
    """alpha = t, sigma = 1 - t: straight lines at constant speed (flow matching, arXiv 2210.02747)."""

    def alpha(self, t: Tensor) -> Tensor:
        """Evaluate t."""
        return t

    def sigma(self, t: Tensor) -> Tensor:
        """Evaluate 1 - t."""
        return 1 - t

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Return 1."""
        return torch.ones_like(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Return -1."""
        return -torch.ones_like(t)


@final
@dataclass(frozen=True)
class VariancePreserving:
    """alpha = sin(pi t / 2), sigma = cos(pi t / 2): alpha^2 + sigma^2 = 1 (stochastic interpolants, 2303.08797).

    The variance-preserving family in its own angle, so that both ends are exact; the exponential beta schedule of
    score-based models (arXiv 2011.13456) is another clock on the same curve.
    """

    def alpha(self, t: Tensor) -> Tensor:
        """Evaluate sin(pi t / 2)."""
        return torch.sin(0.5 * math.pi * t)

    def sigma(self, t: Tensor) -> Tensor:
        """Evaluate cos(pi t / 2) as sin(pi (1 - t) / 2), which is exactly 0 at t = 1."""
        return torch.sin(0.5 * math.pi * (1 - t))

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Evaluate (pi / 2) cos(pi t / 2)."""
        return 0.5 * math.pi * torch.cos(0.5 * math.pi * t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Evaluate -(pi / 2) sin(pi t / 2)."""
        return -0.5 * math.pi * torch.sin(0.5 * math.pi * t)


@final
@dataclass(frozen=True)
class VarianceExploding:
    """alpha = 1, sigma = (r^t - r) / (1 - r): geometric decay of the noise, shifted to end at 0 (arXiv 2011.13456).

    p_0(. | z) is N(z, scale^2), not the prior N(0, scale^2): give the space a scale many times that of the data, and
    the two differ by little.

    Attributes:
        ratio: r in (0, 1), about the smallest noise that is resolved over the largest.
    """

    ratio: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse a ratio outside (0, 1)."""
        if not 0 < self.ratio < 1:
            raise ValueError(f"VarianceExploding: ratio is {self.ratio}; give a number between 0 and 1.")

    def alpha(self, t: Tensor) -> Tensor:
        """Return 1."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """Evaluate r (r^(t - 1) - 1) / (1 - r), exactly 0 at t = 1."""
        return self.ratio * torch.expm1((t - 1) * math.log(self.ratio)) / (1 - self.ratio)

    def alpha_dot(self, t: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros_like(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        """Evaluate log(r) r^t / (1 - r)."""
        return math.log(self.ratio) * self.ratio**t / (1 - self.ratio)


@final
@dataclass(frozen=True)
class Concentration:
    """kappa(t) = (1 + limit)^t - 1: from 0 (uniform) to `limit` at t = 1, at a constant rate on a logarithmic scale.

    The growth law of the Generator Matching protein code (its kappa_t has exponent 4 t and base 200), stopped where the
    law is narrow enough: on SO(3) the root mean square angle is about 2 sqrt(3 / kappa), 0.6 degrees at 1e5.

    Attributes:
        limit: kappa(1) > 0.
    """

    limit: float = 1e5

    def __post_init__(self) -> None:
        """Refuse a limit that does not concentrate."""
        if not self.limit > 0:
            raise ValueError(f"Concentration: limit is {self.limit}; give a positive number.")

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate kappa(t)."""
        return torch.expm1(t * math.log1p(self.limit))

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate d kappa / dt [1/time]."""
        return math.log1p(self.limit) * torch.exp(t * math.log1p(self.limit))


@final
@dataclass(frozen=True)
class Geometric:
    """s(t) = first^(1 - t) last^t: constant rate on a logarithmic scale (the noise scales of arXiv 2011.13456).

    Attributes:
        first: s(0) > 0.
        last: s(1) > 0.
    """

    first: float
    last: float

    def __post_init__(self) -> None:
        """Refuse ends that are not positive."""
        if not (self.first > 0 and self.last > 0):
            raise ValueError(f"Geometric: first is {self.first} and last {self.last}; give positive numbers.")

    def __call__(self, t: Tensor) -> Tensor:
        """Evaluate s(t)."""
        return self.first * torch.exp(t * math.log(self.last / self.first))

    def derivative(self, t: Tensor) -> Tensor:
        """Evaluate ds / dt [1/time]."""
        return math.log(self.last / self.first) * self(t)
