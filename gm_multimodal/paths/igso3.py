"""The heat kernel of SO(3), IGSO(3): the path of diffusion models on rotations."""

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.schedules import Geometric
from gm_multimodal.spaces.rotations import Rotations

_IMAGES = 6  # enough up to eps = 4: the next image weighs exp(-(13 pi)^2 / (2 eps^2)) at most


@final
@dataclass(frozen=True)
class IGSO3Path(IsotropicPath):
    """p_t(R | z) = sum_l (2 l + 1) exp(-l (l + 1) eps^2 / 2) sin((l + 1/2) r) / sin(r / 2), r = angle(R, z).

    The law of Brownian motion on SO(3) started at z (SE(3) diffusion, arXiv 2302.02277), with respect to Haar measure.
    Evaluated through its Poisson transform, a sum over images r - 2 pi k, which converges fast for all eps of use:
    exp(s / 4) sqrt(pi / s) / (2 s sin(r / 2)) sum_k (-1)^k (r - 2 pi k) exp(-(r - 2 pi k)^2 / (4 s)), s = eps^2 / 2.

    Attributes:
        space: SO(3).
        scale: eps(t) (rad), at most 4, where the law is uniform to 1e-6; at t = 1 the path is z itself.
    """

    space: Rotations
    scale: Geometric = field(default_factory=lambda: Geometric(4.0, 0.01))

    def __post_init__(self) -> None:
        """Refuse another space, and scales that the sum over images does not reach."""
        expect(self, "space", self.space, Rotations)
        expect(self, "scale", self.scale, Geometric)
        if max(self.scale.first, self.scale.last) > 4:
            raise ValueError(f"IGSO3Path: scale {self.scale} exceeds 4; the law is uniform there already.")

    def radial_log_prob(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate the logarithm of the sum over images."""
        r = r.clamp(min=1e-5)
        s = 0.5 * self.scale(t) ** 2
        total = torch.ones_like(r)  # the image k = 0, whose factor r exp(-r^2 / (4 s)) is taken out
        for k in range(1, _IMAGES + 1):
            shift = 2 * math.pi * k
            left = (1 + shift / r) * torch.exp(-shift * (shift + 2 * r) / (4 * s))
            right = (1 - shift / r) * torch.exp(-shift * (shift - 2 * r) / (4 * s))
            total = total + (-1) ** k * (left + right)
        front = s / 4 + 0.5 * torch.log(math.pi / s) - torch.log(2 * s) - r * r / (4 * s)
        return front + torch.log(r / torch.sin(r / 2)) + torch.log(total.clamp(min=1e-30))

    def width(self, t: Tensor) -> Tensor:
        """Return eps, at most the radius (rad)."""
        return self.scale(t).clamp(max=math.pi)

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return log(eps_t / eps_{t'}) * eps_t / |eps'_t|: rates are eps' / eps times what varies slowly."""
        return torch.log(self.scale(t) / self.scale(t_next)) * self.scale(t) / -self.scale.derivative(t)
