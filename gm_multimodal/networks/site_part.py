"""A further factor of a trunk: how its points are shown to the network, and how its output is made."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class SitePart(nn.Module, ABC):
    """What a trunk knows of one factor beside frames and types; invariant under rotations, as its features are.

    Args:
        factor: name of the factor.
    """

    def __init__(self, factor: str) -> None:
        super().__init__()
        self.factor = factor

    @abstractmethod
    def embed(self, x: Tensor, t: Tensor, previous: Tensor | None) -> Tensor:
        """Return what is added to the features of every site, [B, N, width].

        Args:
            x: points, [B, N, *E].
            t: path times, [B, N].
            previous: means of the last prediction, as `x`, or None.
        """

    @abstractmethod
    def emit(self, hidden: Tensor) -> Tensor:
        """Return what the parameterization of the factor reads, [B, N, *output_shape], from features [B, N, width]."""
