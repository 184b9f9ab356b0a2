"""The flow: move along the mean displacement towards z."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPrediction
from gm_multimodal.paths.gaussian import CondOTPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Flow:
    """dx/dt = E[log_x(z)] / (1 - t) (arXiv 2410.20587, section 3; MultiFlow, arXiv 2402.04997, eq. 20).

    Given z the flow runs along straight lines or geodesics, so that one step of any size is exact. Marginally the
    posterior mean stands for z ("marginal: mean"), which is first order in the step.

    Attributes:
        path: the path that the flow keeps.
        speed: >= 1, how many times faster than its path the flow runs. 1 is the flow itself. Above 1 is a heuristic
            that acts like a low temperature, and the reason why MultiFlow trains on one rotation schedule and
            simulates a faster one (arXiv 2402.04997, appendix G): what the network got wrong early is forgotten.
    """

    path: CondOTPath | GeodesicPath
    speed: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a speed that would not arrive."""
        if not self.speed >= 1:
            raise ValueError(f"Flow: speed is {self.speed}; give 1 (the flow itself) or more.")

    @property
    def follows(self) -> type:
        """Predictions with a displacement."""
        return ManifoldPrediction

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: ManifoldPrediction, noise: Noise) -> Tensor:
        """Return exp_x(min(1, speed (t' - t)/(1 - t)) E[log_x(z)]), [*B, *E]; x itself where t' = t."""
        displacement = prediction.displacement()
        # t = 1 only for given points, whose step is zero: the maximum avoids 0/0 there.
        fraction = (t_next - t) / torch.clamp(1 - t, min=torch.finfo(t.dtype).tiny)
        fraction = (self.speed * fraction).clamp(max=1)
        moved = self.path.space.exp(x, expand_as(fraction, displacement) * displacement)
        return torch.where(expand_as(t_next > t, x), moved, x)
