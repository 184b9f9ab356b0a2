"""The hand of a chain: ribosomes join L-amino acids alone, and a file that shows the others is a mirror image."""

import numpy as np
import numpy.typing as npt
from biotite.structure import dihedral

from gm_multimodal.protein.residues import RESIDUES

_GLYCINE = RESIDUES.index("G")
_FEWEST = 3  # residues that tell a hand


def is_mirrored(
    coordinates: npt.NDArray[np.floating],
    beta_carbons: npt.NDArray[np.floating],
    tokens: npt.NDArray[np.int64],
    is_bonded: npt.NDArray[np.bool_],
) -> bool:
    """Return whether most residues have the hand of D-amino acids: by CB or, where no residue has one, by phi > 0.

    Args:
        coordinates: [L, 4, 3], N, CA, C, O in Angstrom.
        beta_carbons: [L, 3], not a number where there is none.
        tokens: [L], residue types; glycine has no hand.
        is_bonded: [L - 1], whether a peptide bond leads to the next residue.
    """
    nitrogen, alpha, carbonyl = (np.asarray(coordinates[:, atom], dtype=np.float64) for atom in range(3))
    volumes = np.einsum("li,li->l", np.cross(nitrogen - alpha, carbonyl - alpha), beta_carbons - alpha)
    has_hand = tokens != _GLYCINE
    signs = volumes[has_hand & np.isfinite(volumes)]
    if not len(signs):
        phi = dihedral(carbonyl[:-1], nitrogen[1:], alpha[1:], carbonyl[1:])
        signs = -phi[is_bonded & has_hand[1:]]
    return len(signs) >= _FEWEST and float(np.mean(signs < 0)) > 0.5
