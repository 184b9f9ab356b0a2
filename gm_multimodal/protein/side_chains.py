"""Side chains of an input, and what of it has no complete backbone: all that `structure` leaves behind."""

import io
import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import biotite.structure as struc
import numpy as np
import numpy.typing as npt
from biotite.structure.info import residue as plain_residue
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import get_structure

from gm_multimodal.errors import StructureError, TooLarge, UserInputError
from gm_multimodal.protein.cif import parse_binary_cif, parse_cif
from gm_multimodal.protein.residues import THREE_LETTER
from gm_multimodal.protein.structure_file import check_names
from gm_multimodal.reading import MAX_BYTES, read_bytes

_BACKBONE: Final = ("N", "CA", "C", "O", "OXT")
_HYDROGENS: Final = ("H", "D")
_SELENOMETHIONINE: Final = "MSE"
Key = tuple[str, int, str]
"""Chain, number and insertion code of a residue."""


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


def read_atoms(path: str | Path, extra_fields: Sequence[str] = (), *, max_bytes: int = MAX_BYTES) -> struc.AtomArray:
    """Read the first model of a structure file that `read_backbone` could read, whatever it holds.

    Args:
        path: of the file.
        extra_fields: annotations beyond those that every structure has, such as b_factor.
        max_bytes: refuse a file, or what a .gz expands to, that is larger.

    Raises:
        UserInputError: It is too large, or the atoms beyond the backbone are malformed.
    """
    options = {"model": 1, "altloc": "occupancy", "extra_fields": ["occupancy", *extra_fields]}
    try:
        atoms = _parse(Path(path), options, max_bytes)
        check_names(
            path, atom=atoms.atom_name.tolist(), element=atoms.element.tolist(), residue=atoms.res_name.tolist()
        )
        return atoms
    except StructureError:
        raise
    except TooLarge as error:
        raise UserInputError(f"{path} {error.reason}: give a larger max_megabytes") from error
    except Exception as error:  # a malformed file can break a parser anywhere
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserInputError(f"{path}: its atoms beyond the backbone cannot be read: {reason}") from error


def _parse(path: Path, options: dict[str, Any], max_bytes: int) -> struc.AtomArray:
    content = read_bytes(path, max_bytes)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of absent columns
        if suffixes[-1] == ".bcif":
            return get_structure(parse_binary_cif(content, max_bytes), **options)
        if suffixes[-1] in (".cif", ".mmcif"):
            return get_structure(parse_cif(content, max_bytes), **options)
        return PDBFile.read(io.StringIO(content.decode("ascii", "replace"))).get_structure(**options)


def side_chains(atoms: struc.AtomArray, tokens: dict[Key, int]) -> dict[Key, SideChain]:
    """Return the side chains of the residues whose type is known.

    Args:
        atoms: of a file.
        tokens: the residues that are wanted, and which of two types that share a place is meant.
    """
    found: dict[Key, SideChain] = {}
    for key, name, place in _residues(atoms):
        if key not in tokens or key in found:
            continue
        residue = atoms[place]
        wanted = THREE_LETTER[tokens[key]]
        if wanted != _plain(name) and name in THREE_LETTER:
            continue  # the other one of two types that share a place
        kept = ~np.isin(residue.atom_name, _BACKBONE) & ~np.isin(residue.element, _HYDROGENS)
        if wanted != _plain(name):  # a modified residue: of its side chain, what the plain type has too
            kept &= np.isin(residue.atom_name, plain_residue(wanted).atom_name)
        # one atom of each name, where alternative locations were not marked as such
        _, first = np.unique(residue.atom_name[kept], return_index=True)
        part = residue[kept][np.sort(first)]
        is_selenium = (name == _SELENOMETHIONINE) & (part.atom_name == "SE")
        found[key] = SideChain(
            tuple(np.where(is_selenium, "SD", part.atom_name).tolist()),
            tuple(np.where(is_selenium, "S", part.element).tolist()),
            part.coord.astype(np.float32),
        )
    return found


def left_out(atoms: struc.AtomArray, present: set[Key]) -> dict[Key, str]:
    """Return the residues with a CA atom that are not `present`, each with the reason."""
    reasons: dict[Key, str] = {}
    for key, name, place in _residues(atoms):
        if key in present or key in reasons:
            continue
        atom_names = atoms.atom_name[place]
        if not np.any((atom_names == "CA") & (atoms.element[place] != "CA")):  # CA alone may be calcium
            continue
        absent = [atom for atom in _BACKBONE[:4] if atom not in atom_names]
        if _plain(name) not in THREE_LETTER:
            reasons[key] = f"{name} is none of the twenty types"
        elif absent:
            reasons[key] = f"{name} lacks {', '.join(absent)}"
        else:
            reasons[key] = f"{name} is no residue of a chain"
    return reasons


def _plain(name: str) -> str:
    return "MET" if name == _SELENOMETHIONINE else name


def _residues(atoms: struc.AtomArray) -> Iterator[tuple[Key, str, slice]]:
    """Yield the name and type of every residue, and where its atoms stand."""
    for start, stop in itertools.pairwise(struc.get_residue_starts(atoms, add_exclusive_stop=True)):
        key = str(atoms.chain_id[start]), int(atoms.res_id[start]), str(atoms.ins_code[start]).strip()
        yield key, str(atoms.res_name[start]), slice(start, stop)
