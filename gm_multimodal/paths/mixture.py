"""Mixture paths: stay at the prior's draw or be z."""

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.schedules import Linear, Schedule, expect_schedule
from gm_multimodal.spaces.base import StateSpace, expand_as


@final
@dataclass(frozen=True)
class MixturePath:
    """p_t(. | z) = (1 - k_t) p_0 + k_t delta_z on any space (arXiv 2410.20587, section 3; 2402.04997, eq. 6).

    The space gives p_0: with `MaskedCategorical` the masking path, with `Categorical` the uniform path, with
    `Rotations` Haar measure, with `Interval` the uniform law.

    Attributes:
        space: where the points live.
        weight: k.
    """

    space: StateSpace
    weight: Schedule = field(default_factory=Linear)

    def __post_init__(self) -> None:
        """Refuse what is not a space, and what is not a schedule."""
        expect(self, "space", self.space, StateSpace)
        expect_schedule(self, "weight", self.weight)

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Keep x_0 with probability 1 - k_t, otherwise z; [*B, *E]."""
        is_data = noise.uniform(t.shape).to(t) < self.weight(t)
        return torch.where(expand_as(is_data, z), z, x0)

    def rate(self, t: Tensor) -> Tensor:
        """Return k' / (1 - k), at which what is not yet z becomes z, [*B] [1/time]."""
        return self.weight.derivative(t) / (1 - self.weight(t)).clamp(min=torch.finfo(t.dtype).tiny)

    def share(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return (k_{t'} - k_t) / (1 - k_t), the probability of becoming z from t to t'; exactly 1 at t' = 1, [*B]."""
        k, k_next = self.weight(t), self.weight(t_next)
        share = (k_next - k) / (1 - k).clamp(min=torch.finfo(t.dtype).tiny)
        return torch.where(t_next >= 1, torch.ones_like(share), share)
