"""Finite sets, with or without an additional mask state."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise


@final
@dataclass(frozen=True)
class MaskedCategorical:
    """The set {0, ..., size - 1} together with the mask state `size`, where the prior sits.

    Attributes:
        size: number of states that data can take.
    """

    size: int

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(): a point is one integer."""
        return ()

    @property
    def mask(self) -> int:
        """The mask state."""
        return self.size

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Return the mask state everywhere, int64 [*B]; no randomness is drawn."""
        return torch.full(batch, self.mask, dtype=torch.int64, device=noise.device)

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which entries are states, the mask included, bool [*B]."""
        return (x >= 0) & (x <= self.mask)


@final
@dataclass(frozen=True)
class Categorical:
    """The set {0, ..., size - 1} with a uniform prior.

    Attributes:
        size: number of states.
    """

    size: int

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(): a point is one integer."""
        return ()

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw uniform states, int64 [*B]."""
        return torch.floor(self.size * noise.uniform(batch)).long().clamp(max=self.size - 1)

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which entries are states, bool [*B]."""
        return (x >= 0) & (x < self.size)


def draw_categorical(probabilities: Tensor, noise: Noise) -> Tensor:
    """Draw one state per entry by inverting the cumulative distribution at one uniform number.

    Args:
        probabilities: [*B, K], rows sum to one.
        noise: source of one uniform number per entry.

    Returns:
        int64 [*B] in {0, ..., K - 1}, never a state of probability zero.
    """
    cumulative = probabilities.cumsum(-1)
    u = noise.uniform(probabilities.shape[:-1]).to(cumulative)[..., None] * cumulative[..., -1:]
    drawn = (cumulative <= u).sum(-1)
    # Rounding may put u at the very top of the table; the last state of positive probability is meant there.
    last = probabilities.shape[-1] - 1 - (probabilities.flip(-1) > 0).to(torch.uint8).argmax(-1)
    return torch.minimum(drawn, last)
