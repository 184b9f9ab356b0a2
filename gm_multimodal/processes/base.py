"""Processes: how a point moves so that a path's law is kept.

A process is known in three ways. Its conditional generator (`target`) solves the Kolmogorov equation of its path; its
conditional transition (`conditional`) moves p_t(. | z) to p_{t'}(. | z) over a finite time; its `transition` puts what
is predicted of z in the place of z, and is all that a simulation calls.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from gm_multimodal.generators import Generator
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Posterior, Prediction
from gm_multimodal.paths.base import ConditionalPath


@runtime_checkable
class Process(Protocol):
    """A Markov process whose conditional law, given z, follows the path."""

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

        With a point mass at z for the prediction, x ~ p_t(. | z) is carried to p_{t_next}(. | z).

        Args:
            x: current points, [*B, *E].
            t: path time, [*B] in [0, 1].
            t_next: path time after the step, [*B], >= t; x itself is returned where it equals t.
            prediction: what the network says of z given x.
            noise: stream of this step and factor.

        Returns:
            The new points, [*B, *E].
        """
        ...


class ConditionalProcess(ABC):
    """A process given by what it does when z is known; z is drawn from the predicted posterior ("marginal: sample").

    With a joint posterior this is exact at any step; where z is drawn site by site, first order in the joint law.
    """

    if TYPE_CHECKING:  # a property that exists would become the default of a dataclass field of that name

        @property
        def path(self) -> ConditionalPath:
            """The path that the process keeps."""

    @abstractmethod
    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Generator:
        """Return the conditional generator at x [*B, *E] and t < 1 [*B], a solution of the Kolmogorov equation."""

    @abstractmethod
    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Move x ~ p_t(. | z) to p_{t_next}(. | z), given z [*B, *E]; to z itself where t_next = 1; [*B, *E]."""

    @property
    def follows(self) -> type:
        """Any law of z."""
        return Posterior

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Draw z from the prediction and make the conditional transition, [*B, *E]."""
        assert isinstance(prediction, Posterior)
        return self.conditional(x, t, t_next, prediction.sample(noise), noise)
