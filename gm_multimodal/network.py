"""What a network is to the objective and the sampler: tensors in, tensors out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final

import torch
from torch import Tensor

from gm_multimodal.product import State

CONDITION_STATES = 4
"""States of every condition, unknown included."""


@final
@dataclass(frozen=True)
class Context:
    """What stays the same along a simulation.

    Attributes:
        present: True = a real site, False = padding, bool [B, N].
        index: position of a site along its chain, int64 [B, N].
        chain: number of the chain of a site, int64 [B, N].
        conditions: name -> what is wanted or known of a site beside the state, int64 [B, N]: 0 = unknown, or one of the
            states 1, 2 and 3. A condition that is left out is unknown everywhere.
    """

    present: Tensor
    index: Tensor
    chain: Tensor
    conditions: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Context":
        """Return the context on another device."""
        conditions = {name: states.to(device) for name, states in self.conditions.items()}
        return Context(self.present.to(device), self.index.to(device), self.chain.to(device), conditions)


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
