"""Processes: how a point moves from p_t to p_{t'}, given what is predicted of z."""

from typing import Protocol

from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.paths.base import ConditionalPath


class Process(Protocol):
    """A Markov process whose conditional law, given z, follows the path at every step size."""

    @property
    def path(self) -> ConditionalPath:
        """The path that the process keeps."""
        ...

    @property
    def follows(self) -> type:
        """The class (or protocol) of predictions that the process can follow."""
        ...

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Move x from time t to t_next.

        With a point mass at z for the prediction, x ~ p_t(. | z) is carried to p_{t_next}(. | z) exactly.

        Args:
            x: current points, [*B, *E].
            t: path time, [*B] in [0, 1].
            t_next: path time after the step, [*B], >= t.
            prediction: what the network says of z given x.
            noise: stream of this step and factor.

        Returns:
            The new points, [*B, *E].
        """
        ...
