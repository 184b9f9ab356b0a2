"""Peptide bonds, bond angles and omega of a backbone.

Every function takes one chain, [L, 4, 3] with the atoms N, CA, C, O in Angstrom, and `bonded`, [L - 1]: False where
residues are missing between two rows of a file, so that a gap in a crystal structure is not a broken bond. Shares are
in [0, 1]; None where a chain has nothing to count.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.geometry import peptide_bond_lengths

PEPTIDE_LENGTH: Final = 1.33
PEPTIDE_TOLERANCE: Final = 0.1
ANGLE_TOLERANCE: Final = 10.0  # degrees; four standard deviations of the narrowest of the three
IDEAL_ANGLES: Final = {"N-CA-C": 111.0, "CA-C-N": 117.2, "C-N-CA": 121.7}  # degrees, Engh and Huber 2001
TRANS: Final = 150.0  # degrees; |omega| above it is trans, below 180 minus it cis, the rest twisted

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def peptide_validity(coordinates: Floats, bonded: Bools) -> float | None:
    """Share of the peptide bonds C-N within 1.33 +- 0.1 Angstrom."""
    lengths = peptide_bond_lengths(coordinates)[bonded]
    return float(np.mean(np.abs(lengths - PEPTIDE_LENGTH) <= PEPTIDE_TOLERANCE)) if len(lengths) else None


def bond_angles(coordinates: Floats, bonded: Bools) -> dict[str, Floats]:
    """Angles (degrees) N-CA-C of each residue, CA-C-N and C-N-CA of each peptide bond."""
    n, ca, c = (np.asarray(coordinates[:, atom], dtype=np.float64) for atom in range(3))
    return {
        "N-CA-C": _angles(n, ca, c),
        "CA-C-N": _angles(ca[:-1], c[:-1], n[1:])[bonded],
        "C-N-CA": _angles(c[:-1], n[1:], ca[1:])[bonded],
    }


def angle_validity(coordinates: Floats, bonded: Bools) -> float:
    """Share of the three kinds of bond angles within 10 degrees of their ideal values."""
    angles = bond_angles(coordinates, bonded)
    deviations = np.concatenate([np.abs(angles[name] - ideal) for name, ideal in IDEAL_ANGLES.items()])
    return float(np.mean(deviations <= ANGLE_TOLERANCE))


def omega_shares(coordinates: Floats, bonded: Bools) -> tuple[float, float] | None:
    """Shares of peptide bonds that are trans (|omega| > 150 degrees) and cis (< 30 degrees); the rest is twisted."""
    n, ca, c = (np.asarray(coordinates[:, atom], dtype=np.float64) for atom in range(3))
    omega = np.abs(torsions(ca[:-1], c[:-1], n[1:], ca[1:])[bonded])
    if len(omega) == 0:
        return None
    return float(np.mean(omega > TRANS)), float(np.mean(omega < 180.0 - TRANS))


def torsions(first: Floats, second: Floats, third: Floats, fourth: Floats) -> Floats:
    """Torsion angles about second-third, [K] in (-180, 180] degrees, of four points each, [K, 3]; 0 where points meet.

    In the precision of the points: `biotite.structure.dihedral` computes in single precision (off by up to 3e-5 degrees
    here), and points that meet are NaN to it.
    """
    axis = third - second
    before = np.cross(first - second, axis)
    after = np.cross(fourth - third, axis)
    along = np.linalg.norm(axis, axis=-1)
    sine = np.sum(np.cross(before, after) * axis, axis=-1)
    cosine = np.sum(before * after, axis=-1) * along
    return np.degrees(np.arctan2(sine, cosine))


def _angles(first: Floats, middle: Floats, last: Floats) -> Floats:
    """Angles at the middle point, [K] in degrees."""
    left, right = first - middle, last - middle
    # from sine and cosine, because the cosine alone is blind near 180 degrees
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(left, right), axis=-1), np.sum(left * right, axis=-1)))
