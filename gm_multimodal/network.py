"""What a network is to the objective and the sampler: tensors in, tensors out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from gm_multimodal.product import State


@final
@dataclass(frozen=True)
class Context:
    """What stays the same along a simulation.

    Attributes:
        present: True = a real site, False = padding, bool [B, N].
        index: position of a site along its chain, int64 [B, N].
        chain: number of the chain of a site, int64 [B, N].
    """

    present: Tensor
    index: Tensor
    chain: Tensor


class Network(Protocol):
    """A function of the joint state; what it says of a factor depends on all factors (arXiv 2410.20587, prop. 4)."""

    def __call__(
        self, state: State, times: Mapping[str, Tensor], context: Context, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return the raw output of every factor, [B, N, *output_shape].

        Args:
            state: points, [B, N, *E] per factor.
            times: path times, [B, N] per factor.
            context: what stays the same.
            previous: means of the last predictions (self-conditioning), or None at the first call.
        """
        ...
