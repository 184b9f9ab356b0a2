"""The Gaussian path on R^d."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.euclidean import Euclidean


@final
@dataclass(frozen=True)
class CondOTPath:
    """x_t = t z + (1 - t) x_0, so that p_t(. | z) = N(t z, (1 - t)^2 scale^2 I) (arXiv 2410.20587, section 3)."""

    space: Euclidean

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Return t z + (1 - t) x_0, [*B, d]; given x_0 nothing is random."""
        s = expand_as(t, z)
        return s * z + (1 - s) * x0
