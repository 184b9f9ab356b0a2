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
    """

    path: CondOTPath | GeodesicPath

    @property
    def follows(self) -> type:
        """Predictions with a displacement."""
        return ManifoldPrediction

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: ManifoldPrediction, noise: Noise) -> Tensor:
        """Return exp_x((t' - t)/(1 - t) E[log_x(z)]), [*B, *E]; deterministic, and x itself where t' = t."""
        displacement = prediction.displacement()
        # t = 1 only for given points, whose step is zero: the maximum avoids 0/0 there.
        fraction = (t_next - t) / torch.clamp(1 - t, min=torch.finfo(t.dtype).tiny)
        moved = self.path.space.exp(x, expand_as(fraction, displacement) * displacement)
        return torch.where(expand_as(t_next > t, x), moved, x)
