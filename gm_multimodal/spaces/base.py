"""What a state space offers.

Axis letters: *B batch, *E event (one point), *T tangent vector, *P independent parts of a point. A point of R^d or of a
torus has d parts, a rotation is one; t [*B] and numbers per part [*B, *P] broadcast against points by `expand_as`.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from gm_multimodal.noise import Noise


@runtime_checkable
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
        """Return which entries are points of the space, bool [*B]."""
        ...


@runtime_checkable
class Manifold(StateSpace, Protocol):
    """A space with geodesics; tangent vectors are given in coordinates of an orthonormal frame, [*B, *T]."""

    @property
    def tangent_dim(self) -> int:
        """Number of coordinates of a tangent vector, *T = (tangent_dim,)."""
        ...

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Walk from x along the geodesic with initial velocity v for unit time, [*B, *E]."""
        ...

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the shortest v with exp_x(v) = y, [*B, *T]."""
        ...


@runtime_checkable
class UniformSpace(Manifold, Protocol):
    """A compact manifold with a uniform prior that looks the same from every point; a product of such if it has parts.

    Densities are with respect to the prior (on SO(3): Haar measure, never Lebesgue measure of the angle).
    """

    @property
    def radius(self) -> float:
        """Greatest distance between two points of a part."""
        ...

    def radial_density(self, r: Tensor) -> Tensor:
        """Return the density, on [0, radius], of the distance between two uniform points of a part; as `r`."""
        ...

    def lengths(self, v: Tensor) -> Tensor:
        """Return |v| of every part, [*B, *T] -> [*B, *P]."""
        ...

    def directions(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw a uniform unit tangent vector for every part, [*B, *T]."""
        ...


def expand_as(a: Tensor, x: Tensor) -> Tensor:
    """Append axes to `a` [*B] so that it broadcasts against `x` [*B, ...]."""
    return a.reshape(a.shape + (1,) * (x.ndim - a.ndim))
