"""Backbones read from structure files: PDB, mmCIF and BinaryCIF, each also gzipped."""

import gzip
import io
import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import biotite.structure as struc
import numpy as np
import numpy.typing as npt
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import BinaryCIFFile, CIFFile, get_structure

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.residues import THREE_LETTER

_TOKEN_OF_NAME: Final = {name: token for token, name in enumerate(THREE_LETTER)}
# selenomethionine stands in for methionine to solve the crystal's phases
_TOKEN_OF_HETERO: Final = {"MSE": _TOKEN_OF_NAME["MET"]}
_BACKBONE_ATOMS: Final = ("N", "CA", "C", "O")
_READING: Final = {"altloc": "occupancy", "extra_fields": ["occupancy"]}
_SUFFIXES: Final = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")


@dataclass(frozen=True)
class Chain:
    """The residues of one protein chain that have a complete backbone, in the order of the file.

    Attributes:
        id: Name of the chain, the author's where the file has two.
        coordinates: [L, 4, 3] float32, N, CA, C, O in Angstrom.
        tokens: [L] int64 in 0..19.
        residue_numbers: [L] int64, the author's where the file has two; they may jump or be negative.
        insertion_codes: One letter per residue, or an empty string.
    """

    id: str
    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]
    residue_numbers: npt.NDArray[np.int64]
    insertion_codes: list[str]

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.tokens)


@dataclass(frozen=True)
class _Residue:
    chain: str
    number: int
    insertion_code: str
    token: int
    backbone: npt.NDArray[np.float32]
    occupancy: float


def read_backbone(path: str | Path, *, model: int = 1) -> list[Chain]:
    """Read the protein chains of one model of a structure file.

    Kept are residues of the twenty types (selenomethionine as methionine) with all of N, CA, C and O; of alternative
    locations the one with the highest occupancy.

    Args:
        path: ``.pdb``, ``.ent``, ``.cif``, ``.mmcif`` or ``.bcif``, or one of them followed by ``.gz``.
        model: Number of the model, from 1.

    Raises:
        UserInputError: The file is missing, of another kind or malformed, lacks the model, or holds no such residue.
    """
    path = Path(path)
    residues: dict[tuple[str, int, str], _Residue] = {}
    atoms = _read_atoms(path, model)
    starts = struc.get_residue_starts(atoms, add_exclusive_stop=True)
    for start, stop in itertools.pairwise(starts):
        residue = _to_residue(atoms[start:stop])
        if residue is None:
            continue
        key = (residue.chain, residue.number, residue.insertion_code)
        # a position with two residue types reads as two residues
        if key not in residues or residue.occupancy > residues[key].occupancy:
            residues[key] = residue
    if not residues:
        raise UserInputError(
            f"{path} has no protein chain: no residue of the twenty types has all of N, CA, C and O in model {model}"
        )
    chains: dict[str, list[_Residue]] = {}
    for residue in residues.values():
        chains.setdefault(residue.chain, []).append(residue)
    return [_to_chain(name, members) for name, members in chains.items()]


def _read_atoms(path: Path, model: int) -> struc.AtomArray:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    is_gzipped = suffixes[-1:] == [".gz"]
    suffix = next(iter(suffixes[-2:-1] if is_gzipped else suffixes[-1:]), "")
    if suffix not in _SUFFIXES:
        raise UserInputError(f"{path} is no structure file; its name must end in one of {', '.join(_SUFFIXES)} (+ .gz)")
    if not path.is_file():
        raise UserInputError(f"structure file {path} does not exist")
    try:
        # biotite warns of absent columns (elements, say) that no backbone needs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parse(path, suffix, is_gzipped, model)
    except Exception as error:  # a malformed file can break a parser anywhere
        reason = str(error) or type(error).__name__
        raise UserInputError(f"structure file {path} cannot be read (model {model}): {reason}") from error


def _parse(path: Path, suffix: str, is_gzipped: bool, model: int) -> struc.AtomArray:
    with gzip.open(path, "rb") if is_gzipped else path.open("rb") as file:
        content = file.read()
    if suffix == ".bcif":
        return get_structure(BinaryCIFFile.read(io.BytesIO(content)), model, **_READING)
    # the letters outside ASCII are in names of authors, and no parser needs those
    text = io.StringIO(content.decode("ascii", "replace"))
    if suffix in (".pdb", ".ent"):
        return PDBFile.read(text).get_structure(model, **_READING)
    return get_structure(CIFFile.read(text), model, **_READING)


def _to_residue(atoms: struc.AtomArray) -> _Residue | None:
    """Return the residue that these atoms make up, or None if it is of no use for a backbone."""
    name = str(atoms.res_name[0])
    # a standard name among the hetero atoms is a ligand, a free amino acid
    token = _TOKEN_OF_HETERO.get(name) if atoms.hetero[0] else _TOKEN_OF_NAME.get(name, _TOKEN_OF_HETERO.get(name))
    rows = [np.flatnonzero(atoms.atom_name == atom) for atom in _BACKBONE_ATOMS]
    if token is None or any(len(row) == 0 for row in rows):
        return None
    first = [int(row[0]) for row in rows]
    backbone = np.asarray(atoms.coord[first], dtype=np.float32)
    if not np.isfinite(backbone).all():
        return None
    return _Residue(
        chain=str(atoms.chain_id[0]),
        number=int(atoms.res_id[0]),
        insertion_code=str(atoms.ins_code[0]).strip(),
        token=token,
        backbone=backbone,
        occupancy=float(np.mean(atoms.occupancy[first])),
    )


def _to_chain(name: str, residues: list[_Residue]) -> Chain:
    return Chain(
        name,
        np.stack([residue.backbone for residue in residues]),
        np.array([residue.token for residue in residues], dtype=np.int64),
        np.array([residue.number for residue in residues], dtype=np.int64),
        [residue.insertion_code for residue in residues],
    )
