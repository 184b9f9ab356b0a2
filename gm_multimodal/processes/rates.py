"""Jumps whose rates a network predicts."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Prediction, RatePrediction
from gm_multimodal.paths.base import DensePath
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class RateJump:
    """Jump by a predicted marginal generator: the sampler of the paper's images (arXiv 2410.20587, section 7).

    First order in the step, for the rates are those at its beginning.

    Attributes:
        path: the path whose jump is predicted.
        rule: "improved" stays with probability exp(-lambda elapsed), and so jumps at last wherever lambda > 0; "euler"
            stays with probability 1 - h lambda.
    """

    path: DensePath
    rule: Literal["improved", "euler"] = "improved"

    def __post_init__(self) -> None:
        """Refuse a path without a density, and a rule without meaning."""
        expect(self, "path", self.path, DensePath)
        if self.rule not in ("improved", "euler"):
            raise ValueError(f"RateJump: rule is {self.rule!r}; choose 'improved' or 'euler'.")

    @property
    def follows(self) -> type:
        """Predictions of a jump."""
        return RatePrediction

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Stay or land, every part on its own, [*B, *E]."""
        assert isinstance(prediction, RatePrediction)
        jump = prediction.generator()
        before_end = t_next.clamp(max=1 - torch.finfo(t_next.dtype).eps)
        h = self.path.elapsed(t, before_end) if self.rule == "improved" else t_next - t
        exponent = expand_as(h, jump.rate) * jump.rate
        leaves = -torch.expm1(-exponent) if self.rule == "improved" else exponent
        is_leaving = (noise.uniform(leaves.shape).to(leaves) < leaves) & expand_as(t_next > t, leaves)
        return torch.where(expand_as(is_leaving, x), jump.land(noise), x)
