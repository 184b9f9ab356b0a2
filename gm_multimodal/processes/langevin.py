"""Langevin noise on top of a flow: a stochastic differential equation with the marginals of the flow."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect
from gm_multimodal.generators import Diffusion, Drift, Sum
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPrediction, Prediction
from gm_multimodal.paths.base import NoisyPath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.processes.flow import Flow
from gm_multimodal.spaces.base import UniformSpace, expand_as


@final
@dataclass(frozen=True)
class Langevin(ConditionalProcess):
    """dx = (u + g^2 / 2 grad log p_t) dt + g dW: a divergence-free component (arXiv 2410.20587, proposition 3, ii).

    A step follows the flow to t' and then lets noise act that leaves p_{t'} in place, so that it is exact at any size
    given z; for small steps it is the equation above.

    Attributes:
        flow: the flow that noise is added to; it says how a posterior enters.
        strength: g^2 >= 0 [length^2/time].
    """

    flow: Flow
    strength: float

    def __post_init__(self) -> None:
        """Refuse a negative strength, a path on which no such noise is known, and a mean that does not give it."""
        expect(self, "flow", self.flow, Flow)
        if not self.strength >= 0:
            raise ValueError(f"Langevin: strength is {self.strength}; give 0 or a positive number.")
        if not isinstance(self.flow.path, NoisyPath):
            raise IncompatibleProcess(
                f"Langevin noise on {type(self.flow.path).__name__} is not known: it has no score."
            )
        if self.flow.marginal == "mean" and isinstance(self.flow.path.space, UniformSpace):
            raise IncompatibleProcess(
                f"The score of {type(self.flow.path).__name__} is not linear in the displacement, so that a mean does "
                "not give it. Use Flow with marginal='sample'."
            )

    @property
    def path(self) -> NoisyPath:
        """The path of the flow."""
        assert isinstance(self.flow.path, NoisyPath)
        return self.flow.path

    @property
    def follows(self) -> type:
        """What the flow follows."""
        return self.flow.follows

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Sum:
        """Return drift u + g^2 / 2 grad log p_t and diffusion g^2."""
        displacement = self.path.space.log(x, z)
        score = self.path.score(x, t, displacement)
        noise = Diffusion(torch.full_like(score, self.strength))
        return Sum((self.flow.target(x, t, z), Drift(0.5 * self.strength * score), noise))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Follow the flow, then let the noise of t_next - t act at t_next; [*B, *E]."""
        return self._disturb(self.flow.conditional(x, t, t_next, z, noise), t, t_next, z, noise)

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Make the conditional transition with the mean of z or one draw of it, as the flow does; [*B, *E]."""
        if self.flow.marginal == "sample":
            return super().transition(x, t, t_next, prediction, noise)
        assert isinstance(prediction, ManifoldPrediction)
        moved = self.flow.transition(x, t, t_next, prediction, noise)
        return self._disturb(moved, t, t_next, prediction.mean(), noise)

    def _disturb(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        disturbed = self.path.refresh(x, t_next, z, self.strength * (t_next - t), noise)
        return torch.where(expand_as((t_next > t) & (t_next < 1), x), disturbed, x)


def noisy_flow(path: NoisyPath, strength: float, speed: float = 1.0) -> Langevin:
    """Return the flow of the mean with noise of strength g^2 [length^2/time] added (see `Flow` and `Langevin`)."""
    return Langevin(Flow(path, speed), strength)
