"""Rows of a dataset as values: one chain, or several that stand side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.factors import Part, told
from gm_multimodal.protein.metrics.secondary_structure import HELIX, STRAND
from gm_multimodal.protein.soft_targets import Pattern

SECONDARY: Final = "HEC"
"""Helix, strand and coil; the position in this string is the code."""

UNKNOWN_SECONDARY: Final = 3
"""Code of a residue whose secondary structure is not known."""

_CODE_OF: Final = {**dict.fromkeys(HELIX, 0), **dict.fromkeys(STRAND, 1)}
_COIL: Final = SECONDARY.index("C")


def secondary_codes(dssp: str) -> npt.NDArray[np.int64]:
    """Return the codes, [L], of DSSP letters: H, G, I are helix, E, B strand and all others coil."""
    return np.array([_CODE_OF.get(letter, _COIL) for letter in dssp], dtype=np.int64)


@dataclass(frozen=True)
class Row:
    """What a dataset says of one row.

    Attributes:
        id: Name.
        backbone: Its residues, L of them, without labels.
        cluster: Code of the cluster at 30 % sequence identity.
        secondary: Codes of secondary structure, [L] int64 (`SECONDARY`, or unknown).
        patterns: What a teacher says of hidden residue types; none where nobody was asked.
    """

    id: str
    backbone: Backbone
    cluster: int
    secondary: npt.NDArray[np.int64]
    patterns: tuple[Pattern, ...] = ()

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.backbone)


@dataclass(frozen=True)
class Chains:
    """Rows of a dataset.

    Attributes:
        rows: All of them.
    """

    rows: Sequence[Row]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Residues of each row, [len(self)]."""
        return np.array([len(row) for row in self.rows], dtype=np.int64)

    @property
    def clusters(self) -> npt.NDArray[np.int64]:
        """Code of the cluster of each row, [len(self)]."""
        return np.array([row.cluster for row in self.rows], dtype=np.int64)

    @cached_property
    def parts(self) -> Sequence[Part]:
        """The parts of proteins that the rows tell something of."""
        return told(row.backbone for row in self.rows)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> "Chains":
        """Return the rows at ``indices``, in that order."""
        return Chains([self.rows[i] for i in indices])

    def followed_by(self, other: "Chains") -> "Chains":
        """Return these rows and then those of another dataset, whose codes of clusters mean something else."""
        shift = int(self.clusters.max() - other.clusters.min()) + 1
        return Chains([*self.rows, *(replace(row, cluster=row.cluster + shift) for row in other.rows)])
