"""The geodesic path on a compact manifold with a uniform prior."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.spaces.base import UniformSpace, expand_as

_SMALLEST_REMAINDER = 1e-6


@final
@dataclass(frozen=True)
class GeodesicPath(IsotropicPath):
    """x_t = exp_{x_0}(t log_{x_0} z): constant speed along the shortest way (Riemannian flow matching, 2302.03660).

    The distance to z shrinks by a = 1 - t, so that p_t(r) = w(r / a) / (a w(r)) within r < a * radius and 0 beyond,
    with w the density of the distance between uniform points. On R^d the geodesic path is `GaussianPath` with CondOT.
    """

    def __post_init__(self) -> None:
        """Refuse a space that is not compact, or without a uniform law."""
        expect(self, "space", self.space, UniformSpace)

    def radial_log_prob(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate log of w(r / a) / (a w(r)); -inf beyond the support."""
        is_inside = r < (1 - t) * self.space.radius
        return torch.where(is_inside, self._log_prob_inside(torch.where(is_inside, r, 0.0), t), -torch.inf)

    def radial_log_prob_rate(self, r: Tensor, t: Tensor) -> Tensor:
        """Differentiate within the support; -inf beyond, so that a point off the path leaves at once."""
        r, t = (a.contiguous() for a in torch.broadcast_tensors(r, t))  # forward mode refuses shared memory
        is_inside = r < (1 - t) * self.space.radius
        at = torch.where(is_inside, r, 0.0)
        rate = torch.func.jvp(lambda s: self._log_prob_inside(at, s), (t,), (torch.ones_like(t),))[1]
        return torch.where(is_inside, rate, -torch.inf)

    def width(self, t: Tensor) -> Tensor:
        """Return the greatest distance, a * radius: the density is flat on it up to its edge."""
        return (1 - t).clamp(min=_SMALLEST_REMAINDER) * self.space.radius

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return (1 - t) log((1 - t) / (1 - t')): rates are 1 / (1 - t) times what varies slowly."""
        return (1 - t) * torch.log((1 - t) / (1 - t_next).clamp(min=_SMALLEST_REMAINDER))

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Return exp_{x_0}(t log_{x_0} z), [*B, *E]; given x_0 nothing is random."""
        velocity = self.space.log(x0, z)
        x = self.space.exp(x0, expand_as(t, velocity) * velocity)
        return torch.where(expand_as(t >= 1, z), z, x)

    def velocity(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return log_x(z) / (1 - t), [*B, *T]; 0 at t = 1, where what is given or has arrived rests."""
        remainder = expand_as(1 - t, displacement)
        return torch.where(remainder > 0, displacement / remainder.clamp(min=torch.finfo(t.dtype).tiny), 0.0)

    def displacement(self, x: Tensor, t: Tensor, velocity: Tensor) -> Tensor:
        """Return (1 - t) velocity, [*B, *T]."""
        return expand_as(1 - t, velocity) * velocity

    def follow(self, x: Tensor, t: Tensor, t_next: Tensor, displacement: Tensor) -> Tensor:
        """Return exp_x((t' - t) / (1 - t) log_x(z)), [*B, *E]."""
        # t = 1 only for given points, whose step is zero: the maximum avoids 0/0 there.
        share = (t_next - t) / torch.clamp(1 - t, min=torch.finfo(t.dtype).tiny)
        return self.space.exp(x, expand_as(share, displacement) * displacement)

    def _log_prob_inside(self, r: Tensor, t: Tensor) -> Tensor:
        a = (1 - t).clamp(min=_SMALLEST_REMAINDER)
        r = r.clamp(min=1e-2 * _SMALLEST_REMAINDER)  # the ratio below is 0/0 at 0, and smooth
        return torch.log(self.space.radial_density(r / a) / self.space.radial_density(r)) - torch.log(a)
