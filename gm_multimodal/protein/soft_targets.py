"""Soft targets of the sequence: laws of hidden residue types by a teacher, given the backbone and revealed types.

E[onehot(s_i) | X_t, s_u] = E[p(s_i | X, s_u) | X_t, s_u] for s ~ p(. | X): cross-entropy against the teacher's law of
residue i, given the whole backbone X and the revealed types s_u, has the same minimiser as cross-entropy against types
drawn from it, with less variance.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

CONTEXT: Final = "soft_context"
"""Column: for every pattern, one-letter codes of the revealed residues, X where a type is hidden."""

LEVELS: Final = "soft_levels"
"""Column: for every pattern, 20 bytes for each hidden residue, which are `to_levels` of its law."""

_TOP: Final = 255


@dataclass(frozen=True)
class Pattern:
    """A sequence in part, and what a teacher says of the rest.

    Attributes:
        context: residue types, MASK where hidden, [L] int64.
        levels: the law of every hidden residue, [H, 20] uint8.
    """

    context: npt.NDArray[np.int64]
    levels: npt.NDArray[np.uint8]


def to_levels(law: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return round(255 sqrt(p / max p)) of laws p, [*B, 20]: cross-entropies are right to a thousandth of a nat."""
    return np.round(_TOP * np.sqrt(law / law.max(-1, keepdims=True))).astype(np.uint8)


def from_levels(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the laws, [*B, 20]: the squares of the levels, normalised."""
    square = levels.astype(np.float32) ** 2
    return square / square.sum(-1, keepdims=True)
