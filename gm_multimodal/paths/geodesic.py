"""The geodesic path on a manifold."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold, expand_as


@final
@dataclass(frozen=True)
class GeodesicPath:
    """x_t = exp_{x_0}(t log_{x_0} z): constant speed along the shortest way (Riemannian flow matching, 2302.03660)."""

    space: Manifold

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Return exp_{x_0}(t log_{x_0} z), [*B, *E]; given x_0 nothing is random."""
        velocity = self.space.log(x0, z)
        x = self.space.exp(x0, expand_as(t, velocity) * velocity)
        return torch.where(expand_as(t >= 1, z), z, x)
