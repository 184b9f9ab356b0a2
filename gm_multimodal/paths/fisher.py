"""The isotropic Fisher path on SO(3): the von Mises-Fisher law of unit quaternions, up to sign."""

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.schedules import Concentration
from gm_multimodal.spaces.rotations import Rotations


@final
@dataclass(frozen=True)
class FisherPath(IsotropicPath):
    """p_t(R | z) = kappa cosh(kappa c) / (2 I_1(kappa)) with respect to Haar measure, c = cos(angle(R, z) / 2).

    The antipodally symmetric von Mises-Fisher law of the quaternion, which the Generator Matching paper's protein
    experiments jump along (arXiv 2410.20587, section 7). Its logarithm changes at the rate kappa' (c tanh(kappa c) -
    A(kappa)), A = I_2 / I_1.

    Attributes:
        space: SO(3).
        concentration: kappa(t); at t = 1 the path is z itself.
    """

    space: Rotations
    concentration: Concentration = field(default_factory=Concentration)

    def __post_init__(self) -> None:
        """Refuse another space, and another schedule."""
        expect(self, "space", self.space, Rotations)
        expect(self, "concentration", self.concentration, Concentration)

    def radial_log_prob(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate log of kappa cosh(kappa c) / (2 I_1(kappa)) without overflow."""
        kappa, c = self.concentration(t), torch.cos(r / 2)
        ratio = torch.where(kappa > 1e-6, kappa / torch.special.i1e(kappa).clamp(min=1e-300), torch.full_like(kappa, 2))
        return torch.log(ratio / 4) - 2 * kappa * torch.sin(r / 4).square() + torch.log1p(torch.exp(-2 * kappa * c))

    def radial_log_prob_rate(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate kappa' (c tanh(kappa c) - A(kappa))."""
        kappa, c = self.concentration(t), torch.cos(r / 2)
        return self.concentration.derivative(t) * (c * torch.tanh(kappa * c) - _mean_resultant(kappa))

    def width(self, t: Tensor) -> Tensor:
        """Return 2 / sqrt(kappa), at most the radius (rad)."""
        return (2 / self.concentration(t).clamp(min=1e-12).sqrt()).clamp(max=math.pi)

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return (kappa_{t'} - kappa_t) / kappa'_t: the rate is kappa' times what varies slowly."""
        return (self.concentration(t_next) - self.concentration(t)) / self.concentration.derivative(t)


def _mean_resultant(kappa: Tensor) -> Tensor:
    """Return A = I_2 / I_1 = I_0 / I_1 - 2 / kappa; kappa / 4 near 0, where the difference cancels."""
    safe = kappa.clamp(min=1e-2)
    exact = torch.special.i0e(safe) / torch.special.i1e(safe) - 2 / safe
    return torch.where(kappa < 1e-2, kappa / 4 - kappa**3 / 96, exact)
