"""What a figure means: every column of a table says how it was made, so that two tables can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt


@final
@dataclass(frozen=True)
class Definition:
    """How a figure is made.

    Attributes:
        text: one sentence.
        tool: who computes it: "gm_multimodal", "biotite", "ProteinMPNN v_48_020", ...
        version: of the tool.
        atoms: which atoms it looks at, such as "CA" or "N, CA, C".
        threshold: the bound in it, with its unit; empty where there is none.
    """

    text: str
    tool: str
    version: str
    atoms: str = ""
    threshold: str = ""


@final
@dataclass(frozen=True)
class Subject:
    """One chain to be judged.

    Attributes:
        name: of the file or design.
        coordinates: N, CA, C, O, [L, 4, 3] float32 (Angstrom).
        tokens: residue types, [L] int64 in 0 ... 19.
    """

    name: str
    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]


class Judge(Protocol):
    """Adds columns to the table of structures; a tool that is absent is an error at construction, with what to do."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """What each of its columns means, in the order of the table."""
        ...

    def judge(self, subjects: Sequence[Subject]) -> Sequence[Mapping[str, float | str | None]]:
        """Return the columns of each structure; None where a figure cannot be computed."""
        ...
