"""Contacts between alpha carbons, and how far along the chain they reach."""

from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.geometry import CA

CONTACT_DISTANCE: Final = 8.0  # Angstrom
CONTACT_SEPARATION: Final = 3  # the first neighbours are near by their bonds

Floats = npt.NDArray[np.floating]


def distance_map(coordinates: Floats) -> Floats:
    """Distances of the alpha carbons, [L, L] (Angstrom), of a chain [L, 4, 3]."""
    ca = np.asarray(coordinates[:, CA], dtype=np.float64)
    return np.linalg.norm(ca[:, None] - ca[None], axis=-1)


def contact_separations(coordinates: Floats) -> npt.NDArray[np.int64]:
    """Separations j - i >= 3 along the chain of the pairs of alpha carbons closer than 8 Angstrom."""
    first, second = np.nonzero(np.triu(distance_map(coordinates) < CONTACT_DISTANCE, k=CONTACT_SEPARATION))
    return second - first


def contacts_per_residue(coordinates: Floats) -> float:
    """Number of contacts over the number of residues."""
    return len(contact_separations(coordinates)) / len(coordinates)


def relative_contact_order(coordinates: Floats) -> float | None:
    """Mean separation of contacts over the number of residues (after Plaxco et al. 1998); None without contacts."""
    separations = contact_separations(coordinates)
    return float(np.mean(separations)) / len(coordinates) if len(separations) else None
