"""From raw network output to a law of the data point z given x_t, and the loss that fits it."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from gm_multimodal.generators import DensityJump
from gm_multimodal.noise import Noise
from gm_multimodal.paths.base import ConditionalPath
from gm_multimodal.spaces.base import StateSpace


@runtime_checkable
class Prediction(Protocol):
    """What the network says of z given x_t, for one factor. Values, made anew at every network call."""

    def loss(self, z: Tensor) -> Tensor:
        """Return the divergence from the truth, [*B]: Bregman, or a negative log-likelihood up to a constant."""
        ...

    def mean(self) -> Tensor:
        """Return the endpoint that is shown and fed back, [*B, *E]."""
        ...


@runtime_checkable
class Posterior(Prediction, Protocol):
    """A prediction that is a law of z, not a mean alone."""

    def sample(self, noise: Noise) -> Tensor:
        """Draw z from the predicted posterior, [*B, *E]."""
        ...


@runtime_checkable
class ManifoldPrediction(Prediction, Protocol):
    """A prediction on a manifold, where a flow can follow its mean."""

    def displacement(self) -> Tensor:
        """Return the posterior mean of log_{x_t}(z), [*B, *T]."""
        ...


@runtime_checkable
class ManifoldPosterior(ManifoldPrediction, Posterior, Protocol):
    """A law of z on a manifold that also knows its mean displacement: flows and jumps can follow it together."""


@runtime_checkable
class RatePrediction(Prediction, Protocol):
    """A prediction of the marginal jump itself, not of z."""

    def generator(self) -> DensityJump:
        """Return the jump."""
        ...


@runtime_checkable
class Parameterization(Protocol):
    """How a factor's network output is read."""

    @property
    def space(self) -> StateSpace:
        """Where the z live of which the output says something."""
        ...

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Trailing axes that the network emits for every point."""
        ...

    @property
    def predicts(self) -> type:
        """The class of the predictions, which a process checks against what it can follow."""
        ...

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> Prediction:
        """Read the output [*B, *output_shape] of the network at x [*B, *E] and path time t [*B]."""
        ...


@runtime_checkable
class PathParameterization(Parameterization, Protocol):
    """One whose output is about the motion along a path, such as a velocity, and so about no other path."""

    @property
    def path(self) -> ConditionalPath:
        """The path."""
        ...
