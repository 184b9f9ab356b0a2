"""The velocity of a flow."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from gm_multimodal.bregman import SquaredNorm
from gm_multimodal.errors import expect
from gm_multimodal.paths.base import LinearFlowPath
from gm_multimodal.spaces.base import Manifold


@final
@dataclass(frozen=True)
class VelocityPrediction:
    """E[u_t(x | z)].

    Attributes:
        path: the path whose velocity it is.
        x: where the process is, [*B, *E].
        t: path time, [*B].
        velocity: mean velocity, [*B, *T] [length/time].
    """

    path: LinearFlowPath
    x: Tensor
    t: Tensor
    velocity: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return |u_t(x | z) - velocity|^2, [*B]: the Bregman divergence of the squared norm."""
        target = self.path.velocity(self.x, self.t, self.path.space.log(self.x, z))
        return SquaredNorm().divergence(target, self.velocity)

    def mean(self) -> Tensor:
        """Return the endpoint exp_x(displacement), [*B, *E]."""
        return self.path.space.exp(self.x, self.displacement())

    def displacement(self) -> Tensor:
        """Return the displacement that has this velocity, [*B, *T]."""
        return self.path.displacement(self.x, self.t, self.velocity)


@final
@dataclass(frozen=True)
class VelocityMean:
    """Reads the output as the mean velocity, with loss |u_t(x | z) - u|^2 (arXiv 2410.20587, table 1).

    The target grows as t -> 1 on paths whose velocity does; `EndpointMean` bounds the weight there.

    Attributes:
        path: a path whose velocity is linear in the displacement.
    """

    path: LinearFlowPath

    def __post_init__(self) -> None:
        """Refuse a path whose velocity a mean displacement does not give."""
        expect(self, "path", self.path, LinearFlowPath)

    @property
    def space(self) -> Manifold:
        """That of the path."""
        return self.path.space

    @property
    def output_shape(self) -> tuple[int, ...]:
        """*E: on R^d and the torus, tangent vectors have the shape of points."""
        return self.path.space.event_shape

    @property
    def predicts(self) -> type:
        """VelocityPrediction."""
        return VelocityPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> VelocityPrediction:
        """Take the output [*B, *T] for the velocity."""
        return VelocityPrediction(self.path, x, t, output)
