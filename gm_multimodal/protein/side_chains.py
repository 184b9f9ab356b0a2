"""Side chains: the heavy atoms of a residue beyond the backbone, as the plain residue type has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
from biotite.structure import AtomArray
from biotite.structure.info import residue as plain_residue

from gm_multimodal.protein.residues import MASK, THREE_LETTER

_BACKBONE: Final = ("N", "CA", "C", "O", "OXT")
_HYDROGENS: Final = ("H", "D")
SELENOMETHIONINE: Final = "MSE"


@final
@dataclass(frozen=True)
class SideChain:
    """The heavy atoms of a residue beyond the backbone.

    Attributes:
        names: of the atoms, such as CB.
        elements: of the atoms, such as C.
        coordinates: [atoms, 3] float32 (Angstrom).
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    coordinates: npt.NDArray[np.float32]


def side_chain_of(atoms: AtomArray, rows: Sequence[int], name: str, token: int) -> SideChain:
    """Return the side chain of one residue; of a modified one, what the plain type has too.

    Args:
        atoms: of a file.
        rows: those of the residue, each name once.
        name: of the residue in the file.
        token: the plain type, in 0 ... 19; of 20, which is not chosen, nothing is returned.
    """
    if token == MASK:
        return SideChain((), (), np.zeros((0, 3), dtype=np.float32))
    place = np.sort(np.array(rows, dtype=np.int64))
    names, elements = atoms.atom_name[place], atoms.element[place]
    kept = ~np.isin(names, _BACKBONE) & ~np.isin(elements, _HYDROGENS)
    is_selenium = (name == SELENOMETHIONINE) & (names == "SE")
    names, elements = np.where(is_selenium, "SD", names), np.where(is_selenium, "S", elements)
    if name not in (THREE_LETTER[token], SELENOMETHIONINE):
        kept &= np.isin(names, plain_residue(THREE_LETTER[token]).atom_name)
    return SideChain(tuple(names[kept].tolist()), tuple(elements[kept].tolist()), atoms.coord[place[kept]])
