"""Continuous-time Markov chains on finite sets: the masking path and the uniform path, with balanced noise."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect
from gm_multimodal.generators import AtomicJump
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.parameterizations.posterior import CategoricalPrediction
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical, draw_categorical


@final
@dataclass(frozen=True)
class MaskingCTMC(ConditionalProcess):
    """Unmask towards z and re-mask in balance, by an exact finite step of P(mask) = 1 - k.

    From k to k' in a time h an unmasked site is re-masked with probability rho = min(1 - exp(-eta h), (1 - k')/k), and
    a masked one unmasked with probability (k' - k + k rho)/(1 - k). Given z this carries p_t to p_{t+h} for every h,
    and unmasks everything at t = 1; for h -> 0 it is the chain of MultiFlow (2402.04997, eq. 228) with noise eta.

    Attributes:
        path: the mixture path on a set with a mask.
        remasking: eta >= 0 [1/time], strength of the balanced re-masking.
        temperature: > 0; draws from q (P/q)^(1/temperature). A heuristic: 1 is the model's own law.
        background: q, probabilities of the states; empty means uniform.
        order: which of the masked sites are unmasked once their number is drawn: "random" is the chain; "purity"
            takes the sites of the most certain prediction first, a heuristic.
    """

    path: MixturePath
    remasking: float = 0.0
    temperature: float = 1.0
    order: Literal["random", "purity"] = "random"
    background: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse another space, and settings without meaning, naming them."""
        _require(self, self.path, MaskedCategorical)
        if self.remasking < 0:
            raise ValueError(f"MaskingCTMC: remasking is {self.remasking}; give 0 or a positive rate.")
        if not self.temperature > 0:
            raise ValueError(f"MaskingCTMC: temperature is {self.temperature}; give a positive number.")
        if self.background and not (len(self.background) == self._set.size and min(self.background) > 0):
            raise ValueError(f"MaskingCTMC: background has to be {self._set.size} numbers above 0, or none.")
        if self.order not in ("random", "purity"):
            raise ValueError(f"MaskingCTMC: order is {self.order!r}; choose 'random' or 'purity'.")

    @property
    def follows(self) -> type:
        """CategoricalPrediction."""
        return CategoricalPrediction

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> AtomicJump:
        """Return rate (k' + eta k)/(1 - k) from the mask to z, and eta from z to the mask."""
        size = self._set.size
        k, is_masked = self.path.weight(t), x == self._set.mask
        unmask = self.path.rate(t) + self.remasking * k / (1 - k)
        rates = torch.zeros(*x.shape, size + 1, dtype=t.dtype, device=t.device)
        rates = rates.scatter(-1, z[..., None], torch.where(is_masked, unmask, 0.0)[..., None])
        rates[..., size] = torch.where(is_masked, 0.0, self.remasking)
        return AtomicJump(rates, torch.arange(size + 1, device=x.device))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Unmask to z or re-mask, int64 [*B]."""
        unmask, remask = self._probabilities(t, t_next)
        is_masked = x == self._set.mask
        u = noise.uniform(x.shape)
        return torch.where(is_masked & (u < unmask), z, torch.where(~is_masked & (u < remask), self._set.mask, x))

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Move x, int64 [B, N], from t to t_next [B, N]; three uniform numbers per site, whatever happens."""
        assert isinstance(prediction, CategoricalPrediction)
        unmask, remask = self._probabilities(t, t_next)
        is_masked = x == self._set.mask
        drawn = draw_categorical(prediction.tempered(self.temperature, tuple(self.background)).mean(), noise)
        chosen = is_masked & (noise.uniform(x.shape) < unmask)
        if self.order == "purity":
            chosen = _most_certain(chosen.sum(-1, keepdim=True), is_masked & (t_next > t), prediction.mean().amax(-1))
        remasked = ~is_masked & (noise.uniform(x.shape) < remask)
        return torch.where(chosen, drawn, torch.where(remasked, self._set.mask, x))

    def _probabilities(self, t: Tensor, t_next: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probabilities of unmasking a masked site and of re-masking an unmasked one, [*B]."""
        k, k_next = self.path.weight(t), self.path.weight(t_next)
        tiny = torch.finfo(t.dtype).tiny
        remask = torch.minimum(-torch.expm1(-self.remasking * (t_next - t)), (1 - k_next) / k.clamp(min=tiny))
        unmask = (k_next - k + k * remask) / (1 - k).clamp(min=tiny)
        return torch.where(t_next >= 1, torch.ones_like(unmask), unmask), remask

    @property
    def _set(self) -> MaskedCategorical:
        assert isinstance(self.path.space, MaskedCategorical)
        return self.path.space


def _most_certain(count: Tensor, candidates: Tensor, certainty: Tensor) -> Tensor:
    """Mark the `count` [B, 1] candidates [B, N] of the highest certainty [B, N]."""
    ranked = torch.where(candidates, certainty, torch.full_like(certainty, -torch.inf))
    rank = ranked.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return (rank < count) & candidates


@final
@dataclass(frozen=True)
class UniformCTMC(ConditionalProcess):
    """Change to z, and away from it in balance, on the uniform path: P(x = z) = q = k + (1 - k)/S.

    In a time h a site at z leaves for another state with probability rho = min(1 - exp(-eta (S - 1) h), (1 - q')/q),
    and a site elsewhere becomes z with probability (q' - q + q rho)/(1 - q): exact at every step. For h -> 0 the chain
    of MultiFlow (2402.04997, eq. 261): rate (1 + eta + eta (S - 1) t)/(1 - t) to z, eta from z to each other state.

    Attributes:
        path: the mixture path on a set with a uniform prior.
        leaving: eta >= 0 [1/time], strength of the balanced noise.
    """

    path: MixturePath
    leaving: float = 0.0

    def __post_init__(self) -> None:
        """Refuse another space and a negative rate."""
        _require(self, self.path, Categorical)
        if self.leaving < 0:
            raise ValueError(f"UniformCTMC: leaving is {self.leaving}; give 0 or a positive rate.")

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> AtomicJump:
        """Return the rates to all states, [*B, S]."""
        size, is_at_z = self._set.size, (x == z)[..., None]
        k = self.path.weight(t)
        arrive = self.path.rate(t) + self.leaving * (1 + size * k / (1 - k))
        to_z = torch.zeros(*x.shape, size, dtype=t.dtype, device=t.device).scatter(-1, z[..., None], arrive[..., None])
        return AtomicJump(torch.where(is_at_z, self.leaving, to_z), torch.arange(size, device=x.device))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Become z, leave z, or stay, int64 [*B]."""
        size = self._set.size
        k, k_next = self.path.weight(t), self.path.weight(t_next)
        others, others_next = (1 - k) * (1 - 1 / size), (1 - k_next) * (1 - 1 / size)
        tiny = torch.finfo(t.dtype).tiny
        leave = torch.minimum(-torch.expm1(-self.leaving * (size - 1) * (t_next - t)), others_next / (1 - others))
        arrive = (others - others_next + (1 - others) * leave) / others.clamp(min=tiny)
        arrive = torch.where(t_next >= 1, torch.ones_like(arrive), arrive)
        other = torch.floor((size - 1) * noise.uniform(x.shape)).long().clamp(max=size - 2)
        other = other + (other >= z)
        u, is_at_z = noise.uniform(x.shape), x == z
        moved = torch.where(is_at_z & (u < leave), other, torch.where(~is_at_z & (u < arrive), z, x))
        return torch.where(t_next > t, moved, x)

    @property
    def _set(self) -> Categorical:
        assert isinstance(self.path.space, Categorical)
        return self.path.space


def _require(process: ConditionalProcess, path: MixturePath, space: type) -> None:
    expect(process, "path", path, MixturePath)
    if not isinstance(path.space, space):
        found = type(path.space).__name__
        raise IncompatibleProcess(f"{type(process).__name__} runs on a {space.__name__}, not on a {found}.")
