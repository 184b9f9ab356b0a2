"""Paths whose law depends on the distance from z alone: everything follows from one density of the distance."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.paths.tabulated_law import NODES, TabulatedLaw, cumulated, distinct, interpolate
from gm_multimodal.spaces.base import UniformSpace, expand_as

_SMALLEST_RADIUS = 1e-9
_RESOLVED = 40.0  # logarithm of the greatest over the smallest density at which speeds are told

_Density = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(radii [rows, K], t [rows, 1], t_next [rows, 1]) -> density with respect to the prior."""


@dataclass(frozen=True)
class IsotropicPath(ABC):
    """p_t(x | z) = p_t(|log_z x|) on a compact space with a uniform prior, densities with respect to the prior.

    Jumps, the radial flow and draws need only the law of the distance r, whose density on [0, radius] is
    radial_density(r) p_t(r): they are read off tables, in double precision. The flow moves along geodesics through z at
    the speed at which quantiles of r move, r' = F_{t'}^{-1}(F_t(r)). All tensors of radii are [*B, *P].

    Attributes:
        space: where the points live.
    """

    space: UniformSpace

    @abstractmethod
    def radial_log_prob(self, r: Tensor, t: Tensor) -> Tensor:
        """Return log p_t at distance r for t < 1, with respect to the prior; r and t broadcast."""

    @abstractmethod
    def width(self, t: Tensor) -> Tensor:
        """Return a distance within which p_t varies slowly, at most the radius; as `t`."""

    @abstractmethod
    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return the integral of c_s / c_t over [t, t_next], the rates being c_s times what varies slowly, [*B]."""

    def radial_log_prob_rate(self, r: Tensor, t: Tensor) -> Tensor:
        """Return d/dt log p_t at distance r within the support, by forward-mode differentiation; r and t broadcast."""
        r, t = (a.contiguous() for a in torch.broadcast_tensors(r, t))  # forward mode refuses shared memory
        return torch.func.jvp(lambda s: self.radial_log_prob(r, s), (t,), (torch.ones_like(t),))[1]

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Carry x_0 along the radial flow from 0 to t, [*B, *E]; given x_0 nothing is random."""
        return self.follow(x0, torch.zeros_like(t), t, self.space.log(x0, z))

    def log_prob(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return log p_t(x | z) of every part with respect to the prior, [*B, *P]."""
        r = self.space.lengths(self.space.log(z, x))
        return self.radial_log_prob(r, expand_as(t, r))

    def log_prob_rate(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return d/dt log p_t(x | z) of every part, [*B, *P] [1/time]."""
        r = self.space.lengths(self.space.log(z, x))
        return self.radial_log_prob_rate(r, expand_as(t, r))

    def velocity(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return the radial velocity, -dF/dt / (dF/dr) away from z, [*B, *T]."""
        r = self.space.lengths(displacement)
        (at,), row = distinct(expand_as(t, r).expand_as(r))
        nodes = self._nodes(at)
        change = self.space.radial_density(nodes) * self._change(nodes, at[:, None])
        inner = cumulated(nodes, change)
        # In the tail the sum from the centre is a small difference of large numbers; the sum from outside is not.
        outer = cumulated(nodes.flip(-1), change.flip(-1)).flip(-1)
        flux = torch.where(nodes < self.width(at)[:, None], inner, outer)
        # Off the path, as an Euler step may lead, the speed is that at the edge of what is resolved.
        log_density = self.radial_log_prob(nodes, at[:, None])
        is_resolved = log_density > log_density.amax(-1, keepdim=True) - _RESOLVED
        edge = torch.where(is_resolved, nodes, 0.0).amax(-1)
        here = torch.minimum(r.double(), edge[row]).clamp(min=_SMALLEST_RADIUS)
        density = self.space.radial_density(here) * torch.exp(self.radial_log_prob(here, at[row]))
        speed = interpolate(here, nodes, flux, row) / density
        return expand_as((speed / r.clamp(min=_SMALLEST_RADIUS)).to(r), displacement) * displacement

    def follow(self, x: Tensor, t: Tensor, t_next: Tensor, displacement: Tensor) -> Tensor:
        """Move along the geodesic to z so that the distance keeps its quantile, [*B, *E]."""
        r = self.space.lengths(displacement)
        t, t_next = expand_as(t, r).expand_as(r), expand_as(t_next, r).expand_as(r)
        moved = self._table(t_next).quantile(self._table(t).probability(r)).to(r)
        share = 1 - torch.where(t_next >= 1, 0.0, moved) / r.clamp(min=_SMALLEST_RADIUS)
        share = torch.where(t_next == t, 0.0, share)
        return self.space.exp(x, expand_as(share, displacement) * displacement)

    def score(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return the gradient of log p_t(x | z): the radial slope, away from z; [*B, *T]."""
        r = self.space.lengths(displacement).clamp(min=_SMALLEST_RADIUS)
        at = expand_as(t, r).expand_as(r).contiguous()
        slope = torch.func.jvp(lambda s: self.radial_log_prob(s, at), (r,), (torch.ones_like(r),))[1]
        return -expand_as(slope / r, displacement) * displacement

    def refresh(self, x: Tensor, t: Tensor, z: Tensor, variance: Tensor, noise: Noise) -> Tensor:
        """Propose a Gaussian step for every part, and accept it with probability min(1, p_t(y) / p_t(x)); [*B, *E].

        Random-walk Metropolis: exact in leaving p_t in place, and for small variances the Langevin motion.
        """
        normal = noise.normal(self.space.log(x, z).shape).to(x)
        y = self.space.exp(x, expand_as(variance.sqrt(), normal) * normal)
        before, after = torch.exp(self.log_prob(x, t, z)), torch.exp(self.log_prob(y, t, z))
        is_accepted = noise.uniform(before.shape).to(before) * before < after
        return torch.where(expand_as(is_accepted, x), y, x)

    def sample_increase(self, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Draw every part from [p_{t_next} - p_t]_+, [*B, *E]."""

        def density(nodes: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
            before, after = torch.exp(self.radial_log_prob(nodes, t)), torch.exp(self.radial_log_prob(nodes, t_next))
            return (after - before).clamp(min=0)

        return self._draw(density, t, t_next, z, noise)

    def sample_landing(self, t: Tensor, z: Tensor, noise: Noise, *, backwards: bool = False) -> Tensor:
        """Draw every part from [d/dt p_t]_+, or from its negative part, [*B, *E]."""

        def density(nodes: Tensor, t: Tensor, _: Tensor) -> Tensor:
            change = self._change(nodes, t)
            return (-change if backwards else change).clamp(min=0)

        return self._draw(density, t, t, z, noise)

    def _change(self, r: Tensor, t: Tensor) -> Tensor:
        """Return d/dt p_t at distance r, 0 beyond the support."""
        density = torch.exp(self.radial_log_prob(r, t))
        return torch.where(density > 0, density * self.radial_log_prob_rate(r, t), 0.0)

    def _draw(self, density: _Density, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Draw the distance from a density with respect to the prior and the direction uniformly, [*B, *E]."""
        direction = self.space.directions(t.shape, noise).to(z)
        parts = self.space.lengths(direction).shape
        u = noise.uniform(parts)
        (before, after), row = distinct(expand_as(t, u).expand(parts), expand_as(t_next, u).expand(parts))
        nodes = self._nodes(after)
        weights = self.space.radial_density(nodes) * density(nodes, before[:, None], after[:, None])
        r = TabulatedLaw.of_density(nodes, weights, row).quantile(u).to(z)
        return self.space.exp(z, expand_as(r, direction) * direction)

    def _table(self, t: Tensor) -> TabulatedLaw:
        """Return the law of the distance at t [*B, *P]."""
        (at,), row = distinct(t)
        nodes = self._nodes(at)
        density = self.space.radial_density(nodes) * torch.exp(self.radial_log_prob(nodes, at[:, None]))
        return TabulatedLaw.of_density(nodes, density, row)

    def _nodes(self, t: Tensor) -> Tensor:
        """Return radii from 0 to the radius, dense within the width at t [rows] and geometric beyond, [rows, NODES]."""
        width = self.width(t)[:, None]
        u = torch.linspace(0, 1, NODES, dtype=torch.float64, device=t.device)
        return (width * torch.sinh(u * torch.asinh(self.space.radius / width))).clamp(
            _SMALLEST_RADIUS, self.space.radius
        )
