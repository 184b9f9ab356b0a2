"""What a state space offers. Axis letters: *B batch, *E event (one point), *T tangent vector."""

from typing import Protocol

from torch import Tensor

from gm_multimodal.noise import Noise


class StateSpace(Protocol):
    """A set of points with a prior law p_0."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one point, *E."""
        ...

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw x_0 ~ p_0 independently, [*B, *E]."""
        ...

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Tell which entries are points of the space, bool [*B]."""
        ...


class Manifold(StateSpace, Protocol):
    """A space with geodesics; tangent vectors are given in coordinates, [*B, *T]."""

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Walk from x along the geodesic with initial velocity v for unit time, [*B, *E]."""
        ...

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the shortest v with exp_x(v) = y, [*B, *T]."""
        ...


def expand_as(a: Tensor, x: Tensor) -> Tensor:
    """Append axes to `a` [*B] so that it broadcasts against `x` [*B, ...]."""
    return a.reshape(a.shape + (1,) * (x.ndim - a.ndim))
