"""Conditional probability paths p_t(. | z): p_0 is the prior whatever z, p_1 is the point z.

What more a path can say decides which processes can follow it: its flow (`FlowPath`), its density (`DensePath`), or the
noise that leaves it in place (`NoisyPath`). Densities and jumps are per part of a point, *P (see `spaces.base`).
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import Manifold, StateSpace


@runtime_checkable
class ConditionalPath(Protocol):
    """A path p_t(. | z), given through its draws (Generator Matching, arXiv 2410.20587, section 3)."""

    @property
    def space(self) -> StateSpace:
        """Where the points live."""
        ...

    def sample(self, x0: Tensor, z: Tensor, t: Tensor, noise: Noise) -> Tensor:
        """Draw x_t ~ p_t(. | z) from a draw of the prior.

        Args:
            x0: draw of the prior, [*B, *E].
            z: data point, [*B, *E].
            t: path time of every entry in [0, 1], [*B].
            noise: for paths that are random given x0.

        Returns:
            x_t, [*B, *E]; equal to z where t = 1.
        """
        ...


@runtime_checkable
class FlowPath(ConditionalPath, Protocol):
    """A path that a flow on a manifold keeps; the flow knows z through the displacement log_x(z), [*B, *T]."""

    @property
    def space(self) -> Manifold:
        """Where the points live."""
        ...

    def velocity(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return u_t(x | z) for t < 1, [*B, *T] [length/time]."""
        ...

    def follow(self, x: Tensor, t: Tensor, t_next: Tensor, displacement: Tensor) -> Tensor:
        """Carry x along the flow from t < 1 to t_next, exactly, [*B, *E]; to z itself where t_next = 1."""
        ...


@runtime_checkable
class LinearFlowPath(FlowPath, Protocol):
    """A path whose velocity is linear in the displacement, so that a posterior enters by its mean alone."""

    def displacement(self, x: Tensor, t: Tensor, velocity: Tensor) -> Tensor:
        """Return the displacement whose velocity is given, t < 1; [*B, *T]."""
        ...


@runtime_checkable
class DensePath(ConditionalPath, Protocol):
    """A path with a density with respect to one measure for all t: what the canonical jump needs."""

    def log_prob(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return log p_t(x | z) of every part for t < 1, [*B, *P]; -inf beyond the support."""
        ...

    def log_prob_rate(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return d/dt log p_t(x | z) of every part for t < 1, [*B, *P] [1/time]."""
        ...

    def sample_increase(self, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Draw every part from [p_{t_next} - p_t]_+, normalised, t < t_next < 1 or t_next < t < 1; [*B, *E]."""
        ...

    def sample_landing(self, t: Tensor, z: Tensor, noise: Noise, *, backwards: bool = False) -> Tensor:
        """Draw every part from [d/dt p_t]_+, normalised, t < 1: where the canonical jump lands; [*B, *E].

        Backwards in time it lands by [-d/dt p_t]_+.
        """
        ...

    def elapsed(self, t: Tensor, t_next: Tensor) -> Tensor:
        """Return the integral of c_s / c_t over [t, t_next], [*B] [time], where rates are c_s times what varies slowly.

        What the improved scheduler of Generator Matching puts in the place of t_next - t (arXiv 2410.20587, app.).
        """
        ...


@runtime_checkable
class NoisyPath(FlowPath, Protocol):
    """A path on which Langevin noise can be added to the flow."""

    def score(self, x: Tensor, t: Tensor, displacement: Tensor) -> Tensor:
        """Return the gradient of log p_t(x | z) for t < 1, [*B, *T] [1/length]."""
        ...

    def refresh(self, x: Tensor, t: Tensor, z: Tensor, variance: Tensor, noise: Noise) -> Tensor:
        """Let Langevin noise of total `variance` [*B] act at time t < 1; leaves p_t(. | z) in place; [*B, *E].

        As variance -> 0 this is the motion by variance * (1/2 score) with noise sqrt(variance).
        """
        ...
