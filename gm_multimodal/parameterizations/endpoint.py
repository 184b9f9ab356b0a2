"""The posterior mean of z: all that a flow on R^d needs, and the oracle's point mass on any manifold."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.spaces.base import Manifold
from gm_multimodal.spaces.euclidean import Euclidean


@final
@dataclass(frozen=True)
class EndpointPrediction:
    """A point estimate of z on a manifold.

    Attributes:
        space: the manifold.
        x: where the process is, [*B, *E].
        endpoint: estimate of z, [*B, *E].
        weight: factor of the loss, [*B] or a number.
    """

    space: Manifold
    x: Tensor
    endpoint: Tensor
    weight: Tensor | float = 1.0

    def loss(self, z: Tensor) -> Tensor:
        """Return weight * distance(endpoint, z)^2: the Bregman divergence of the squared norm on R^d, [*B]."""
        return self.weight * self.space.log(self.endpoint, z).square().sum(-1)

    def mean(self) -> Tensor:
        """Return the endpoint, [*B, *E]."""
        return self.endpoint

    def displacement(self) -> Tensor:
        """Return log_x(endpoint), [*B, *T]."""
        return self.space.log(self.x, self.endpoint)


@final
@dataclass(frozen=True)
class EndpointMean:
    """Reads the output as the posterior mean of z, with loss |z_hat - z|^2 / (1 - min(t, time_clip))^2.

    Up to the clip this is the squared error of the CondOT velocity (z - x)/(1 - t) (arXiv 2410.20587, table 1); the
    clip bounds the weight near t = 1 (MultiFlow's code uses 0.9).

    Attributes:
        space: R^d.
        time_clip: time in [0, 1) beyond which the weight no longer grows.
    """

    space: Euclidean
    time_clip: float = 0.9

    def __post_init__(self) -> None:
        """Refuse another space, and a clip that leaves the weight unbounded."""
        expect(self, "space", self.space, Euclidean)
        if not 0 <= self.time_clip < 1:
            raise ValueError(f"EndpointMean: time_clip is {self.time_clip}; give a number in [0, 1).")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(d,)."""
        return self.space.event_shape

    @property
    def predicts(self) -> type:
        """EndpointPrediction."""
        return EndpointPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> EndpointPrediction:
        """Take the output [*B, d] for the endpoint."""
        return EndpointPrediction(self.space, x, output, (1 - t.clamp(max=self.time_clip)) ** -2)
