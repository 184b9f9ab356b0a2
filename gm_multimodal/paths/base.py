"""Conditional probability paths p_t(. | z): p_0 is the prior whatever z, p_1 is the point z."""

from typing import Protocol

from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.spaces.base import StateSpace


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
