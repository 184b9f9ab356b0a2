"""The von Mises path on the torus: the Fisher law of angles."""

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.schedules import Concentration
from gm_multimodal.spaces.torus import Torus


@final
@dataclass(frozen=True)
class VonMisesPath(IsotropicPath):
    """p_t(x | z) = exp(kappa cos(x - z)) / I_0(kappa) for every angle, with respect to the uniform law.

    Its logarithm changes at the rate kappa' (cos(x - z) - A(kappa)), A = I_1 / I_0: the analogue of `FisherPath` for
    torsions (Mardia and Jupp, Directional Statistics, section 3.5).

    Attributes:
        space: the torus.
        concentration: kappa(t); at t = 1 the path is z itself.
    """

    space: Torus
    concentration: Concentration = field(default_factory=Concentration)

    def __post_init__(self) -> None:
        """Refuse another space, and another schedule."""
        expect(self, "space", self.space, Torus)
        expect(self, "concentration", self.concentration, Concentration)

    def radial_log_prob(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate kappa (cos r - 1) - log of the scaled I_0, without overflow."""
        kappa = self.concentration(t)
        return -2 * kappa * torch.sin(r / 2).square() - torch.log(torch.special.i0e(kappa))

    def radial_log_prob_rate(self, r: Tensor, t: Tensor) -> Tensor:
        """Evaluate kappa' (cos r - A(kappa))."""
        kappa = self.concentration(t)
        mean_resultant = torch.special.i1e(kappa) / torch.special.i0e(kappa)
        return self.concentration.derivative(t) * (torch.cos(r) - mean_resultant)

    def width(self, t: Tensor) -> Tensor:
        """Return 1 / sqrt(kappa), at most the radius (rad)."""
        return self.concentration(t).clamp(min=1e-12).rsqrt().clamp(max=math.pi)

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return (kappa_{t'} - kappa_t) / kappa'_t: the rate is kappa' times what varies slowly."""
        return (self.concentration(t_next) - self.concentration(t)) / self.concentration.derivative(t)
