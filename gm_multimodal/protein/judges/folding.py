"""Folding tools: sequences in, predicted backbones out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt


@final
@dataclass(frozen=True)
class FoldedStructure:
    """A predicted structure.

    Attributes:
        coordinates: N, CA, C, O, [L, 4, 3] float32 (Angstrom).
        plddt: the tool's confidence, mean over the residues, in 0 ... 100; None where it gives none.
    """

    coordinates: npt.NDArray[np.float32]
    plddt: float | None


class Folder(Protocol):
    """A tool that predicts structures; an absent one is an error at construction, with what to do."""

    @property
    def tool(self) -> str:
        """What it is called in the definition of a figure."""
        ...

    @property
    def version(self) -> str:
        """Its version, as far as it can be known."""
        ...

    def fold(self, sequences: Sequence[npt.NDArray[np.int64]]) -> list[FoldedStructure]:
        """Predict a structure for each sequence of residue types, [L] in 0..19."""
        ...
