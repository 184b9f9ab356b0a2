"""Local geometry and compactness of a backbone.

Every function takes one chain, [L, 4, 3] with the atoms N, CA, C, O in Angstrom; lengths are returned in Angstrom.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

CA: Final = 1
"""Position of the alpha carbon among the atoms of a residue."""

Floats = npt.NDArray[np.floating]

_CA_CA_LENGTH: Final = 3.8  # across a trans peptide bond
_CA_CA_TOLERANCE: Final = 0.1
_CLASH_DISTANCE: Final = 3.0
_CLASH_SEPARATION: Final = 2  # neighbours up to here are close by their bonds, not by accident


def ca_ca_distances(coordinates: Floats) -> Floats:
    """Distances |CA_{i+1} - CA_i| of consecutive residues, [L - 1]."""
    return np.linalg.norm(np.diff(_alpha_carbons(coordinates), axis=0), axis=-1)


def ca_ca_validity(coordinates: Floats) -> float:
    """Share in [0, 1] of consecutive CA-CA distances within 3.8 +- 0.1 Angstrom; 1 for a single residue.

    Cis peptide bonds (2.9 Angstrom, one in two thousand, mostly before proline) count as invalid.
    """
    distances = ca_ca_distances(coordinates)
    if len(distances) == 0:
        return 1.0
    return float(np.mean(np.abs(distances - _CA_CA_LENGTH) <= _CA_CA_TOLERANCE))


def ca_clashes(coordinates: Floats) -> int:
    """Number of residue pairs with |i - j| > 2 whose alpha carbons are closer than 3.0 Angstrom."""
    ca = _alpha_carbons(coordinates)
    first, second = np.triu_indices(len(ca), k=_CLASH_SEPARATION + 1)
    return int(np.sum(np.linalg.norm(ca[first] - ca[second], axis=-1) < _CLASH_DISTANCE))


def radius_of_gyration(coordinates: Floats) -> float:
    """Root mean square distance of the alpha carbons from their centroid."""
    ca = _alpha_carbons(coordinates)
    return float(np.sqrt(np.mean(np.sum((ca - ca.mean(axis=0)) ** 2, axis=-1))))


def gyration_ratio(coordinates: Floats) -> float:
    """Radius of gyration over 2.2 L^0.38 Angstrom, that of a typical globular protein of L residues; no unit."""
    return radius_of_gyration(coordinates) / (2.2 * len(coordinates) ** 0.38)


def peptide_bond_lengths(coordinates: Floats) -> Floats:
    """Lengths |N_{i+1} - C_i| of the peptide bonds, [L - 1]; 1.33 Angstrom in real proteins."""
    atoms = np.asarray(coordinates, dtype=np.float64)
    return np.linalg.norm(atoms[1:, 0] - atoms[:-1, 2], axis=-1)


def _alpha_carbons(coordinates: Floats) -> Floats:
    # float64, so that a chain far from the origin loses nothing in the differences
    return np.asarray(coordinates[:, CA], dtype=np.float64)
