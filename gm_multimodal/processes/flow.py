"""The flow: move with the velocity of the path."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.generators import Drift
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPrediction, Posterior, Prediction
from gm_multimodal.paths.base import FlowPath, LinearFlowPath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Flow(ConditionalProcess):
    """dx/dt = u_t(x | z), such as log_x(z) / (1 - t) on geodesics (arXiv 2410.20587, section 3; 2402.04997, eq. 20).

    Given z the flow of the path is known in closed form or from a table, so that one step of any size is exact.

    Attributes:
        path: the path that the flow keeps.
        speed: >= 1, how many times faster than its path the flow runs. 1 is the flow itself. Above 1 is a heuristic
            that acts like a low temperature, and the reason why MultiFlow trains on one rotation schedule and
            simulates a faster one (arXiv 2402.04997, appendix G): what the network got wrong early is forgotten.
        marginal: how the posterior of z enters. "mean" follows the mean displacement, which is first order in the step
            and needs a velocity that is linear in it; "sample" follows one draw.
    """

    path: FlowPath
    speed: float = 1.0
    marginal: Literal["mean", "sample"] = "mean"

    def __post_init__(self) -> None:
        """Refuse settings without meaning, naming them.

        Raises:
            IncompatibleProcess: if the path has no flow, or the mean of a posterior does not give its velocity.
        """
        if not self.speed >= 1:
            raise ValueError(f"Flow: speed is {self.speed}; give 1 (the flow itself) or more.")
        if self.marginal not in ("mean", "sample"):
            raise ValueError(f"Flow: marginal is {self.marginal!r}; choose 'mean' or 'sample'.")
        if not isinstance(self.path, FlowPath):
            raise IncompatibleProcess(f"Flow needs a path that is carried by one; {type(self.path).__name__} is not.")
        if self.marginal == "mean" and not isinstance(self.path, LinearFlowPath):
            raise IncompatibleProcess(
                f"The velocity of {type(self.path).__name__} is not linear in the displacement, so that a "
                "mean does not give it. Use Flow with marginal='sample'."
            )

    @property
    def follows(self) -> type:
        """Predictions with a displacement, or laws of z."""
        return ManifoldPrediction if self.marginal == "mean" else Posterior

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Drift:
        """Return the drift by speed * u_t(x | z)."""
        return Drift(self.speed * self.path.velocity(x, t, self.path.space.log(x, z)))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Follow the flow towards z, [*B, *E]."""
        return self._follow(x, t, t_next, self.path.space.log(x, z))

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Follow the flow along the mean displacement, or towards one draw of z; [*B, *E]."""
        if self.marginal == "sample":
            return super().transition(x, t, t_next, prediction, noise)
        assert isinstance(prediction, ManifoldPrediction)
        return self._follow(x, t, t_next, prediction.displacement())

    def _follow(self, x: Tensor, t: Tensor, t_next: Tensor, displacement: Tensor) -> Tensor:
        reached = (t + self.speed * (t_next - t)).clamp(max=1)
        return torch.where(expand_as(t_next > t, x), self.path.follow(x, t, reached, displacement), x)
