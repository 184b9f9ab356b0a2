"""Flow and jumps in one step, from one call: how the paper superposes them on images."""

from dataclasses import dataclass
from typing import Literal, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.generators import DensityJump
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPrediction, Prediction, RatePrediction
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.rates import RateJump


@runtime_checkable
class FlowAndRates(ManifoldPrediction, RatePrediction, Protocol):
    """A prediction that knows the flow and the jump."""


@final
@dataclass(frozen=True)
class FlowWithRates:
    """(1 - a) L_flow + a L_jump, both of one network (arXiv 2410.20587, proposition 3 and section 7, images).

    A step follows 1 - a of the drift; what jumps in it, at a times the rate, stands where it lands. First order in the
    step, as the generators of both are those at its beginning.

    Attributes:
        path: the path that both keep.
        jump_weight: a in [0, 1].
        rule: of the jumps, as `RateJump` has it.
    """

    path: GaussianPath
    jump_weight: float
    rule: Literal["improved", "euler"] = "improved"

    def __post_init__(self) -> None:
        """Refuse another path, and a weight that the theorem does not allow."""
        expect(self, "path", self.path, GaussianPath)
        if not 0 <= self.jump_weight <= 1:
            raise ValueError(f"FlowWithRates: jump_weight is {self.jump_weight}; give a number from 0 to 1.")

    @property
    def follows(self) -> type:
        """Predictions of a flow and of a jump."""
        return FlowAndRates

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Drift, and stay there or land, every part on its own, [*B, C]."""
        assert isinstance(prediction, FlowAndRates)
        drifted = torch.lerp(x, Flow(self.path).transition(x, t, t_next, prediction, noise), 1 - self.jump_weight)
        slower = _SlowerPrediction(prediction, self.jump_weight)
        return RateJump(self.path, self.rule).transition(drifted, t, t_next, slower, noise)


@final
@dataclass(frozen=True)
class _SlowerPrediction:
    """A prediction of jumps whose rates are multiplied by a weight.

    Attributes:
        prediction: of the jumps.
        weight: from 0 to 1.
    """

    prediction: RatePrediction
    weight: float

    def loss(self, z: Tensor) -> Tensor:
        """Return that of the prediction."""
        return self.prediction.loss(z)

    def mean(self) -> Tensor:
        """Return that of the prediction."""
        return self.prediction.mean()

    def generator(self) -> DensityJump:
        """Return the slower jump."""
        return self.prediction.generator().scaled(self.weight)
