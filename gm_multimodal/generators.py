"""Generators of Markov processes as values: L f(x) = lim_h (E f(X_h) - f(x)) / h at X_0 = x (2410.20587, table 1).

A value holds the numbers F_t(x) of one batch of points; its class is the operator K in L f(x) = <K f(x), F_t(x)>. By
Courrege's theorem nothing else exists on R^d: a drift, a diffusion, a jump, and sums of them. A continuous-time Markov
chain is a jump on a finite set.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self, final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold, StateSpace, expand_as

Observable = Callable[[Tensor], Tensor]
"""A smooth function of points, [*B, *E] -> [*B], row by row."""


class Generator(Protocol):
    """L at one batch of points."""

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return L f(x), [*B]; only jumps to a density use the noise, for an unbiased estimate from one draw."""
        ...

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Simulate for a time h [*B]: an Euler step, of weak order one; [*B, *E]."""
        ...

    def scaled(self, weight: Tensor | float) -> Self:
        """Return weight * L; the weight is a number or [*B]."""
        ...


@final
@dataclass(frozen=True)
class Drift:
    """L f = <grad f, u>: motion along geodesics.

    Attributes:
        velocity: u, [*B, *T] [length/time].
    """

    velocity: Tensor

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return the derivative of f along the geodesic with velocity u, [*B]."""
        return _derivative(f, x, self.velocity, space, order=1)

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return exp_x(h u), [*B, *E]."""
        return _manifold(space).exp(x, expand_as(h, self.velocity) * self.velocity)

    def scaled(self, weight: Tensor | float) -> "Drift":
        """Return the drift weight * u."""
        return Drift(_times(weight, self.velocity))


@final
@dataclass(frozen=True)
class Diffusion:
    """L f = 1/2 sum_i s_i d^2 f / dx_i^2 along an orthonormal frame; half the Laplacian times s if all s_i are equal.

    Attributes:
        variance: s >= 0, [*B, *T] [length^2/time].
    """

    variance: Tensor

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return half the weighted sum of second derivatives along the geodesics of the frame, [*B]."""
        total = torch.zeros_like(self.variance[..., 0])
        for i in range(self.variance.shape[-1]):
            direction = torch.zeros_like(self.variance)
            direction[..., i] = 1
            total = total + 0.5 * self.variance[..., i] * _derivative(f, x, direction, space, order=2)
        return total

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return exp_x(sqrt(h s) e) with standard normal e, [*B, *E]."""
        normal = noise.normal(self.variance.shape).to(self.variance)
        return _manifold(space).exp(x, (expand_as(h, normal) * self.variance).sqrt() * normal)

    def scaled(self, weight: Tensor | float) -> "Diffusion":
        """Return the diffusion with variance weight * s."""
        return Diffusion(_times(weight, self.variance))


@final
@dataclass(frozen=True)
class AtomicJump:
    """L f = sum_k q_k (f(y_k) - f(x)): jumps to finitely many points; on a finite set, a Markov chain.

    Attributes:
        rates: q_k >= 0, [*B, K] [1/time]; what stands at x itself is of no effect.
        atoms: y_k, [K, *E].
    """

    rates: Tensor
    atoms: Tensor

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return the sum over the atoms, [*B]."""
        here, total = f(x), torch.zeros_like(self.rates[..., 0])
        for k, atom in enumerate(self.atoms):
            total = total + self.rates[..., k] * (f(atom.expand_as(x)) - here)
        return total

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Jump with probability min(1, h lambda), lambda the sum of the rates; [*B, *E]."""
        total = self.rates.sum(-1)
        jumps = noise.uniform(total.shape).to(total) < h * total
        k = (noise.uniform(total.shape).to(total)[..., None] * total[..., None] >= self.rates.cumsum(-1)).sum(-1)
        landed = self.atoms[k.clamp(max=len(self.atoms) - 1)]
        return torch.where(expand_as(jumps, x), landed, x)

    def scaled(self, weight: Tensor | float) -> "AtomicJump":
        """Return the jump with rates weight * q."""
        return replace(self, rates=_times(weight, self.rates))


@final
@dataclass(frozen=True)
class DensityJump:
    """L f = sum_p lambda_p (E f(x with part p replaced by y) - f(x)): every part jumps on its own, to a density.

    Attributes:
        rate: lambda >= 0, [*B, *P] [1/time].
        land: draws y for all parts at once, noise -> [*B, *E].
    """

    rate: Tensor
    land: Callable[[Noise], Tensor]

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return the estimate from one draw of y, [*B]: unbiased, not exact."""
        y, here = self.land(noise), f(x)
        parts = self.rate.shape[x.ndim - len(space.event_shape) :]
        if not parts:
            return self.rate * (f(y) - here)
        total = torch.zeros_like(self.rate[..., 0])
        for p in range(parts[0]):
            is_replaced = torch.arange(parts[0], device=x.device) == p
            total = total + self.rate[..., p] * (f(torch.where(is_replaced, y, x)) - here)
        return total

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Let every part jump with probability min(1, h lambda), [*B, *E]."""
        jumps = noise.uniform(self.rate.shape).to(self.rate) < expand_as(h, self.rate) * self.rate
        return torch.where(expand_as(jumps, x), self.land(noise), x)

    def scaled(self, weight: Tensor | float) -> "DensityJump":
        """Return the jump with rate weight * lambda."""
        return replace(self, rate=_times(weight, self.rate))


@final
@dataclass(frozen=True)
class Sum:
    """L = L_1 + L_2 + ...: a step makes the steps of the parts one after another.

    Attributes:
        parts: the terms.
    """

    parts: tuple[Generator, ...]

    def apply(self, f: Observable, x: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Return the sum over the parts, [*B]."""
        return torch.stack([part.apply(f, x, space, noise) for part in self.parts]).sum(0)

    def step(self, x: Tensor, h: Tensor, space: StateSpace, noise: Noise) -> Tensor:
        """Step every part in turn, [*B, *E]: the splitting keeps the order one."""
        for part in self.parts:
            x = part.step(x, h, space, noise)
        return x

    def scaled(self, weight: Tensor | float) -> "Sum":
        """Return the sum of the scaled parts."""
        return Sum(tuple(part.scaled(weight) for part in self.parts))


def _derivative(f: Observable, x: Tensor, v: Tensor, space: StateSpace, order: int) -> Tensor:
    """Return the derivative of s -> f(exp_x(s v)) at s = 0, [*B], by forward-mode differentiation."""
    manifold = _manifold(space)
    zero = torch.zeros(v.shape[: x.ndim - len(space.event_shape)], dtype=v.dtype, device=v.device)

    def along(s: Tensor) -> Tensor:
        return f(manifold.exp(x, expand_as(s, v) * v))

    def slope(s: Tensor) -> Tensor:
        return torch.func.jvp(along, (s,), (torch.ones_like(s),))[1]

    return slope(zero) if order == 1 else torch.func.jvp(slope, (zero,), (torch.ones_like(zero),))[1]


def _manifold(space: StateSpace) -> Manifold:
    assert isinstance(space, Manifold), f"{type(space).__name__} has no geodesics to move along"
    return space


def _times(weight: Tensor | float, value: Tensor) -> Tensor:
    return value * (expand_as(weight, value) if isinstance(weight, Tensor) else weight)
