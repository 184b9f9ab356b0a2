"""How varied a sequence is: entropy of its composition, and stretches of low complexity."""

from typing import Final

import numpy as np
import numpy.typing as npt

WINDOW: Final = 12  # residues
LOW_COMPLEXITY: Final = 2.2  # bits: the bound of SEG (Wootton and Federhen 1993) for windows of 12 residues

Integers = npt.NDArray[np.int64]


def composition_entropy(tokens: Integers) -> float:
    """Shannon entropy (bits) of the residue types of a chain; 4.32 where all twenty are equally frequent."""
    shares = np.bincount(tokens, minlength=20) / len(tokens)
    present = shares[shares > 0]
    return float(-np.sum(present * np.log2(present))) + 0.0  # no minus before a zero


def low_complexity_share(tokens: Integers) -> float | None:
    """Share of residues in a window of 12 residues with an entropy of at most 2.2 bits; None for shorter chains."""
    if len(tokens) < WINDOW:
        return None
    is_low = np.zeros(len(tokens), dtype=bool)
    for start in range(len(tokens) - WINDOW + 1):
        window = slice(start, start + WINDOW)
        if composition_entropy(tokens[window]) <= LOW_COMPLEXITY:
            is_low[window] = True
    return float(np.mean(is_low))
