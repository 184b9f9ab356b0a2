"""Where the torsions phi and psi of a backbone lie among those of real proteins.

`ramachandran.json` beside this file divides the plane into bins of 10 degrees, for glycine, proline, residues before
proline and the rest: favoured is the smallest set of bins that holds 90 % of the residues of the reference, allowed the
smallest that holds 98 %. `scripts/training/ramachandran_table.py` makes it from real chains.
"""

import functools
import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.bonds import torsions
from gm_multimodal.protein.residues import RESIDUES

CLASSES: Final = ("general", "glycine", "proline", "before_proline")
BIN: Final = 10  # degrees
BINS: Final = 360 // BIN
OUTLIER, ALLOWED, FAVOURED = 0, 1, 2
_GLYCINE, _PROLINE = RESIDUES.index("G"), RESIDUES.index("P")

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]


def phi_psi(coordinates: Floats, bonded: npt.NDArray[np.bool_]) -> Floats:
    """Torsions phi and psi, [L, 2] in (-180, 180] degrees; NaN where a neighbour is missing.

    Args:
        coordinates: [L, 4, 3], N, CA, C, O in Angstrom.
        bonded: [L - 1], False where residues are missing between two rows.
    """
    n, ca, c = (np.asarray(coordinates[:, atom], dtype=np.float64) for atom in range(3))
    angles = np.full((len(coordinates), 2), np.nan)
    angles[1:, 0] = np.where(bonded, torsions(c[:-1], n[1:], ca[1:], c[1:]), np.nan)
    angles[:-1, 1] = np.where(bonded, torsions(n[:-1], ca[:-1], c[:-1], n[1:]), np.nan)
    return angles


def residue_classes(tokens: Integers) -> Integers:
    """Position in CLASSES of each residue, [L]; glycine and proline come before "before proline"."""
    classes = np.zeros(len(tokens), dtype=np.int64)
    classes[:-1][tokens[1:] == _PROLINE] = CLASSES.index("before_proline")
    classes[tokens == _GLYCINE] = CLASSES.index("glycine")
    classes[tokens == _PROLINE] = CLASSES.index("proline")
    return classes


def bins_of(angles: Floats) -> Integers:
    """Bin of each angle (degrees), 0 ... 35; 180 is -180."""
    return np.floor((np.asarray(angles) + 180.0) / BIN).astype(np.int64) % BINS


def regions(angles: Floats, tokens: Integers) -> Integers:
    """Region (OUTLIER, ALLOWED or FAVOURED) of each residue that has both torsions, [<= L]."""
    known = np.isfinite(angles).all(axis=1)
    phi, psi = bins_of(angles[known]).T
    return reference_regions()[residue_classes(tokens)[known], phi, psi]


def region_shares(angles: Floats, tokens: Integers) -> tuple[float, float] | None:
    """Shares in favoured, and in favoured or allowed regions; None where no residue has both torsions."""
    found = regions(angles, tokens)
    if len(found) == 0:
        return None
    return float(np.mean(found == FAVOURED)), float(np.mean(found >= ALLOWED))


def smallest_regions(counts: Integers, favoured: float = 0.90, allowed: float = 0.98) -> Integers:
    """Code of each bin (OUTLIER, ALLOWED, FAVOURED) such that the sets are the smallest that hold those shares.

    Args:
        counts: Residues per bin, of any shape.
        favoured: Share of all residues that the favoured bins hold.
        allowed: Share that the favoured and the allowed bins hold together.
    """
    order = np.argsort(-counts, axis=None, kind="stable")
    before = (np.cumsum(counts.ravel()[order]) - counts.ravel()[order]) / counts.sum()
    codes = np.empty(counts.size, dtype=np.int64)
    codes[order] = np.where(before < favoured, FAVOURED, np.where(before < allowed, ALLOWED, OUTLIER))
    return codes.reshape(counts.shape)


@functools.cache
def reference_regions() -> Integers:
    """Codes of the bins, [class, phi bin, psi bin], from the table of the package."""
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    rows = [[[int(code) for code in row] for row in table["regions"][name]] for name in CLASSES]
    return np.array(rows, dtype=np.int64)
