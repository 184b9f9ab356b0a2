"""The one rule by which two residues are bonded, and the places along the chain that follow from it.

Whatever comes out of a file gets its places here; from then on two residues are bonded if their places differ by 1.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

LONGEST_PEPTIDE_BOND: Final = 2.0
"""Angstrom between C and the next N (1.33 in real proteins); above it the two residues are not neighbours."""

LONGEST_CA_CA: Final = 4.2
"""Angstrom between consecutive CA (3.8 in real proteins); above it residues are missing in between."""


def bonded(coordinates: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Whether a peptide bond leads from row i to row i + 1, [L - 1].

    Coordinates that are not numbers are of atoms that are not there: without C or N there is no bond, without CA the
    distance C-N alone decides.

    Args:
        coordinates: [L, 4, 3], N, CA, C, O in Angstrom.
    """
    atoms = np.asarray(coordinates, dtype=np.float64)
    bonds = np.linalg.norm(atoms[1:, 0] - atoms[:-1, 2], axis=-1)
    steps = np.linalg.norm(atoms[1:, 1] - atoms[:-1, 1], axis=-1)
    return np.asarray((bonds <= LONGEST_PEPTIDE_BOND) & ~(steps > LONGEST_CA_CA))


def chain_positions(is_bonded: npt.NDArray[np.bool_], numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Places along the chain, [L], from 0: across a bond they differ by 1, across a break as the residue numbers do.

    Where the numbers tell nothing (they fall, or go on as if nothing were missing) one residue is taken to be missing.
    Insertion codes and numbers that jump between bonded residues leave no gap.

    Args:
        is_bonded: [L - 1], from `bonded`.
        numbers: residue numbers, [L].
    """
    steps = np.where(is_bonded, 1, np.maximum(np.diff(numbers), 2))
    return np.concatenate([[0], np.cumsum(steps)])[: len(numbers)].astype(np.int64)
