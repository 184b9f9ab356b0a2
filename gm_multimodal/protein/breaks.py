"""Where a chain is broken, residues missing between two rows, and what place along the chain each row has."""

from typing import Final

import numpy as np
import numpy.typing as npt

LONGEST_PEPTIDE_BOND: Final = 2.0
"""Angstrom between C and the next N (1.33 in real proteins); above it the two residues are not neighbours."""

LONGEST_CA_CA: Final = 4.2
"""Angstrom between consecutive CA (3.8 in real proteins); above it residues are missing in between."""


def chain_breaks(coordinates: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Whether residues are missing between row i and i + 1, [L - 1]; a distance that is not a number is a break.

    Args:
        coordinates: [L, 4, 3], N, CA, C, O in Angstrom.
    """
    atoms = np.asarray(coordinates, dtype=np.float64)
    bonds = np.linalg.norm(atoms[1:, 0] - atoms[:-1, 2], axis=-1)
    steps = np.linalg.norm(atoms[1:, 1] - atoms[:-1, 1], axis=-1)
    return ~((bonds <= LONGEST_PEPTIDE_BOND) & (steps <= LONGEST_CA_CA))


def chain_positions(breaks: npt.NDArray[np.bool_], numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Places along the chain, [L], from 0: neighbours differ by 1, the two sides of a break by their residue numbers.

    Where the numbers tell nothing (they fall, or go on as if nothing were missing) one residue is taken to be missing.
    Insertion codes and numbers that jump between bonded residues leave no gap.

    Args:
        breaks: [L - 1], from `chain_breaks`.
        numbers: residue numbers, [L].
    """
    steps = np.where(breaks, np.maximum(np.diff(numbers), 2), 1)
    return np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
