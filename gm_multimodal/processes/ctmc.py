"""The continuous-time Markov chain of the masking path."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.posterior import CategoricalPrediction
from gm_multimodal.paths.mixture import MaskingPath
from gm_multimodal.spaces.categorical import draw_categorical


@final
@dataclass(frozen=True)
class MaskingCTMC:
    """Unmask towards z and re-mask in balance, by an exact finite step of P(mask) = 1 - t.

    In a step of length h an unmasked site is re-masked with probability rho = min(1 - exp(-eta h), (1 - t - h)/t), and
    a masked one unmasked with probability (h + t rho)/(1 - t). Given z this carries p_t to p_{t+h} for every h, and
    unmasks everything at t = 1; for h -> 0 it is the chain of MultiFlow (arXiv 2402.04997, eq. 228) with noise eta.

    Attributes:
        path: the masking path.
        remasking: eta >= 0 [1/time], strength of the balanced re-masking.
        temperature: > 0; draws from P^(1/temperature). A heuristic: 1 is the model's own law.
        order: which of the masked sites are unmasked once their number is drawn: "random" is the chain; "purity"
            takes the sites of the most certain prediction first, a heuristic.
    """

    path: MaskingPath
    remasking: float = 0.0
    temperature: float = 1.0
    order: Literal["random", "purity"] = "random"

    def __post_init__(self) -> None:
        """Refuse settings without meaning, naming them."""
        if self.remasking < 0:
            raise ValueError(f"MaskingCTMC: remasking is {self.remasking}; give 0 or a positive rate.")
        if not self.temperature > 0:
            raise ValueError(f"MaskingCTMC: temperature is {self.temperature}; give a positive number.")
        if self.order not in ("random", "purity"):
            raise ValueError(f"MaskingCTMC: order is {self.order!r}; choose 'random' or 'purity'.")

    @property
    def follows(self) -> type:
        """CategoricalPrediction."""
        return CategoricalPrediction

    def transition(
        self, x: Tensor, t: Tensor, t_next: Tensor, prediction: CategoricalPrediction, noise: Noise
    ) -> Tensor:
        """Move x, int64 [B, N], from t to t_next [B, N]; three uniform numbers per site, whatever happens."""
        mask = self.path.space.mask
        is_masked = x == mask
        h = t_next - t
        rho = torch.minimum(-torch.expm1(-self.remasking * h), (1 - t_next) / t.clamp(min=torch.finfo(t.dtype).tiny))
        unmask = (h + t * rho) / (1 - t).clamp(min=torch.finfo(t.dtype).tiny)
        probabilities = prediction.tempered(self.temperature).mean()
        drawn = draw_categorical(probabilities, noise)
        chosen = is_masked & (noise.uniform(x.shape) < torch.where(t_next >= 1, torch.ones_like(unmask), unmask))
        if self.order == "purity":
            chosen = _most_certain(chosen.sum(-1, keepdim=True), is_masked & (h > 0), prediction.mean().amax(-1))
        remasked = ~is_masked & (noise.uniform(x.shape) < rho)
        return torch.where(chosen, drawn, torch.where(remasked, mask, x))


def _most_certain(count: Tensor, candidates: Tensor, certainty: Tensor) -> Tensor:
    """Mark the `count` [B, 1] candidates [B, N] of the highest certainty [B, N]."""
    ranked = torch.where(candidates, certainty, torch.full_like(certainty, -torch.inf))
    rank = ranked.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return (rank < count) & candidates
