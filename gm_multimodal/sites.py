"""Sites: where the points of a batch are, and what is known of each site beside its points."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess


@final
@dataclass(frozen=True)
class Sites:
    """The sites of a batch, which stay the same along a simulation.

    Attributes:
        present: True = a real site, False = padding, bool [B, N].
        context: name -> what a network may read of every site beside the state, [B, N, ...]; its meaning is a matter
            between the network and the modality.
    """

    present: Tensor
    context: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what does not say of every site whether it is present, and a context of other sites.

        Raises:
            ValueError: naming both shapes.
        """
        shape = tuple(self.present.shape)
        if self.present.dtype != torch.bool or len(shape) != 2:
            raise ValueError(f"Sites: present is {self.present.dtype} {shape}; give a mask, bool [B, N].")
        for name, x in self.context.items():
            if tuple(x.shape[:2]) != shape:
                raise ValueError(
                    f"Sites: {name} is known of sites {tuple(x.shape[:2])}, but they are {shape}; give [B, N, ...]."
                )

    def __getitem__(self, name: str) -> Tensor:
        """Return one entry of the context, [B, N, ...].

        Raises:
            IncompatibleProcess: there is none of that name.
        """
        if name not in self.context:
            raise IncompatibleProcess(
                f"the network reads {name!r} of every site, but what is known of these sites is "
                f"{', '.join(map(repr, self.context)) or 'nothing'}: add it to `context`."
            )
        return self.context[name]

    def knowing(self, context: Mapping[str, Tensor]) -> "Sites":
        """Return the sites with further entries of the context."""
        return replace(self, context={**self.context, **context})

    def to(self, device: torch.device) -> "Sites":
        """Return the sites on another device."""
        return Sites(self.present.to(device), {name: x.to(device) for name, x in self.context.items()})

    @staticmethod
    def all_present(rows: int, sites: int, device: torch.device | str = "cpu") -> "Sites":
        """Return rows without padding, of which nothing else is known."""
        return Sites(torch.ones(rows, sites, dtype=torch.bool, device=device))
