"""Gaussian paths on R^d."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.paths.tabulated_law import NODES, TabulatedLaw, distinct
from gm_multimodal.schedules import CondOT, GaussianSchedule
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.euclidean import Euclidean

_SMALLEST_SIGMA = 1e-6
_REACH = 8.0  # standard deviations that a table covers

_Weight = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(points [rows, K], t [rows, 1], t_next [rows, 1], z [rows, 1]) -> factor of the normal density at t_next."""


@final
@dataclass(frozen=True)
class GaussianPath:
    """x_t = alpha_t z + sigma_t x_0, so that p_t(. | z) = N(alpha_t z, sigma_t^2 scale^2 I) (2410.20587, section 3).

    Every coordinate is a part: jumps move one coordinate at a time (proposition 4).

    Attributes:
        space: R^d with prior N(0, scale^2 I).
        schedule: alpha and sigma.
    """

    space: Euclidean
    schedule: GaussianSchedule = field(default_factory=CondOT)

    def __post_init__(self) -> None:
        """Refuse another space, and a schedule without alpha and sigma."""
        expect(self, "space", self.space, Euclidean)
        expect(self, "schedule", self.schedule, GaussianSchedule)

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Return alpha_t z + sigma_t x_0, [*B, d]; given x_0 nothing is random."""
        return expand_as(self.schedule.alpha(t), z) * z + expand_as(self.schedule.sigma(t), z) * x0

    def velocity(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return alpha' z + sigma' / sigma (x - alpha z), [*B, d]; 0 where sigma = 0: what has arrived rests."""
        z, t = x + displacement, expand_as(t, x)
        s = self.schedule
        velocity = s.alpha_dot(t) * z + s.sigma_dot(t) / self._positive_sigma(t) * (x - s.alpha(t) * z)
        return torch.where(s.sigma(t) > 0, velocity, 0.0)

    def displacement(self, x: Tensor, t: Tensor, velocity: Tensor) -> Tensor:
        """Solve the velocity for z, and return z - x, [*B, d]; 0 where sigma = 0, where x is z."""
        t, s = expand_as(t, x), self.schedule
        shrink = s.sigma_dot(t) / self._positive_sigma(t)
        displacement = (velocity - shrink * x) / (s.alpha_dot(t) - shrink * s.alpha(t)) - x
        return torch.where(s.sigma(t) > 0, displacement, 0.0)

    def follow(self, x: Tensor, t: Tensor, t_next: Tensor, displacement: Tensor) -> Tensor:
        """Return alpha_{t'} z + sigma_{t'} / sigma_t (x - alpha_t z), [*B, d], written as a step from x."""
        t, t_next = expand_as(t, x), expand_as(t_next, x)
        # sigma = 0 only for given points, whose step is zero: the maximum avoids 0/0 there.
        ratio = self.schedule.sigma(t_next) / self.schedule.sigma(t).clamp(min=torch.finfo(t.dtype).tiny)
        of_z = self.schedule.alpha(t_next) - ratio * self.schedule.alpha(t)
        return x + of_z * displacement + (ratio + of_z - 1) * x

    def score(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return (alpha z - x) / (sigma scale)^2, [*B, d]."""
        t = expand_as(t, x)
        return (self.schedule.alpha(t) * (x + displacement) - x) / self._deviation(t).square()

    def refresh(self, x: Tensor, t: Tensor, z: Tensor, variance: Tensor, noise: Noise) -> Tensor:
        """Make an Ornstein-Uhlenbeck step around alpha z, exact for every variance, [*B, d]."""
        t = expand_as(t, x)
        mean, deviation = self.schedule.alpha(t) * z, self._deviation(t)
        decay = torch.exp(-0.5 * expand_as(variance, x) / deviation.square())
        return mean + decay * (x - mean) + deviation * (1 - decay.square()).sqrt() * noise.normal(x.shape).to(x)

    def log_prob(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return the log density of every coordinate, [*B, d]."""
        t = expand_as(t, x)
        deviation = self._deviation(t)
        u = (x - self.schedule.alpha(t) * z) / deviation
        return -0.5 * u.square() - torch.log(deviation) - 0.5 * math.log(2 * math.pi)

    def log_prob_rate(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return (u^2 - 1) sigma' / sigma + u alpha' z / (sigma scale), u the standardised coordinate, [*B, d]."""
        t = expand_as(t, x)
        deviation = self._deviation(t)
        u = (x - self.schedule.alpha(t) * z) / deviation
        growth = self.schedule.sigma_dot(t) * self.space.scale / deviation
        return (u.square() - 1) * growth + u * self.schedule.alpha_dot(t) * z / deviation

    def sample_increase(self, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Draw every coordinate from [p_{t_next} - p_t]_+, [*B, d]."""

        def weight(y: Tensor, t: Tensor, t_next: Tensor, z: Tensor) -> Tensor:
            return (1 - torch.exp(self.log_prob(y, t, z) - self.log_prob(y, t_next, z))).clamp(min=0)

        return self._draw(weight, t, t_next, z, noise)

    def sample_landing(self, t: Tensor, z: Tensor, noise: Noise, *, backwards: bool = False) -> Tensor:
        """Draw every coordinate from [d/dt p_t]_+, or from its negative part, [*B, d]."""

        def weight(y: Tensor, t: Tensor, _: Tensor, z: Tensor) -> Tensor:
            rate = self.log_prob_rate(y, t, z)
            return (-rate if backwards else rate).clamp(min=0)

        return self._draw(weight, t, t, z, noise)

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return sigma_t^3 times the integral of sigma^-3 over [t, t'], for sigma linear in between, [*B].

        For CondOT the formula of the paper, (1 - t) / 2 ((1 - t)^2 / (1 - t')^2 - 1): rates are (1 - t)^-3 times a
        polynomial that varies slowly.
        """
        sigma, sigma_next = self.schedule.sigma(t), self.schedule.sigma(t_next).clamp(min=_SMALLEST_SIGMA)
        ratio = sigma / sigma_next
        return (t_next - t) * 0.5 * ratio * (1 + ratio)

    def _positive_sigma(self, t: Tensor) -> Tensor:
        """Return sigma, and 1 where it is 0, so that nothing is divided by 0 whose gradient is asked for."""
        sigma = self.schedule.sigma(t)
        return torch.where(sigma > 0, sigma, 1.0)

    def _deviation(self, t: Tensor) -> Tensor:
        return self.schedule.sigma(t).clamp(min=_SMALLEST_SIGMA) * self.space.scale

    def _draw(self, weight: _Weight, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Draw from the normal density at t_next times a weight, [*B, d]."""
        t, t_next = expand_as(t, z).expand_as(z), expand_as(t_next, z).expand_as(z)
        (before, after, data), row = distinct(t, t_next, z)
        before, after, data = before[:, None], after[:, None], data[:, None]
        u = torch.linspace(-_REACH, _REACH, NODES, dtype=torch.float64, device=z.device).expand(len(data), NODES)
        y = self.schedule.alpha(after) * data + self._deviation(after) * u
        table = TabulatedLaw.of_density(u, torch.exp(-0.5 * u.square()) * weight(y, before, after, data), row)
        drawn = table.quantile(noise.uniform(z.shape)).to(z)
        return self.schedule.alpha(t_next) * z + self._deviation(t_next) * drawn
