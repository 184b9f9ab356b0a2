"""A point mass: z itself, as an exact sampler of the posterior would give it."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect
from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold


@final
@dataclass(frozen=True)
class PointMassPrediction:
    """Certainty of z.

    Attributes:
        space: the manifold.
        x: where the process is, [*B, *E].
        z: the point, [*B, *E].
    """

    space: Manifold
    x: Tensor
    z: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Refuse: a point mass gives every other point the likelihood zero."""
        raise IncompatibleProcess("PointMassPrediction cannot be fitted: it has no likelihood. Fit a posterior.")

    def mean(self) -> Tensor:
        """Return z, [*B, *E]."""
        return self.z

    def sample(self, noise: Noise) -> Tensor:
        """Return z, [*B, *E]."""
        return self.z

    def displacement(self) -> Tensor:
        """Return log_x(z), [*B, *T]."""
        return self.space.log(self.x, self.z)


@final
@dataclass(frozen=True)
class PointMass:
    """Takes the output for z itself.

    Exact where the output is a joint draw of the posterior. Where it is the estimate of a network, plugging it into a
    jump is a heuristic: the rate of the mean is not the mean of the rates.

    Attributes:
        space: the manifold.
    """

    space: Manifold

    def __post_init__(self) -> None:
        """Refuse a space without geodesics."""
        expect(self, "space", self.space, Manifold)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """*E."""
        return self.space.event_shape

    @property
    def predicts(self) -> type:
        """PointMassPrediction."""
        return PointMassPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> PointMassPrediction:
        """Take the output [*B, *E] for z."""
        return PointMassPrediction(self.space, x, output)
