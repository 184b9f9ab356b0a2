"""Mixture paths: stay at the prior's draw or be z."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.categorical import MaskedCategorical


@final
@dataclass(frozen=True)
class MaskingPath:
    """p_t(. | z) = (1 - t) delta_mask + t delta_z (discrete flow models, arXiv 2402.04997, eq. 6)."""

    space: MaskedCategorical

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Keep x_0 (the mask) with probability 1 - t, otherwise z; int64 [*B]."""
        return torch.where(noise.uniform(z.shape) < t, z, x0)
