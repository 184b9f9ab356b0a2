"""Files that structure programs and sequence tools read: PDB, mmCIF, multi-model PDB and FASTA.

No file carries a date, lengths are in Angstrom, and every write is atomic, so that equal designs are equal bytes and a
killed run leaves no half-written file under its final name.
"""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import biotite.structure as struc
import numpy as np
import numpy.typing as npt
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFBlock, CIFCategory, CIFFile, set_structure

from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.printable import printable
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.blueprint import Mask
from gm_multimodal.protein.residues import MASK, RESIDUES, THREE_LETTER
from gm_multimodal.protein.side_chains import SideChain

_CONFIDENCE_REMARK: Final = (
    "B-FACTOR = 100 X MODEL PROBABILITY OF THE RESIDUE TYPE AT TEMPERATURE 1, AT THE CALL WHERE IT WAS LAST UNMASKED"
)
_GIVEN_REMARK: Final = "B-FACTOR = 0 WHERE A RESIDUE OR ITS TYPE IS OF THE INPUT"
_TRAJECTORY_REMARKS: Final = (
    "ONE MODEL PER STEP; RESIDUE NAMES ARE THOSE OF THE LAST STEP",
    "B-FACTOR = 100 WHERE THE RESIDUE TYPE IS CHOSEN AT THIS STEP, 0 WHERE IT IS STILL MASKED",
)
_BACKBONE_ATOMS: Final = ("N", "CA", "C", "O")
_GLYCINE: Final = RESIDUES.index("G")
_FREE_TEXT_REMARK: Final = 6  # the format leaves REMARK 6 to 99 to free text
_PDB_TEXT_WIDTH: Final = 68
_PDB_COORDINATE_RANGE: Final = (-999.999, 9999.999)  # what eight columns with three decimals hold
_PDB_RESIDUE_NUMBERS: Final = (-999, 9999)
_PDB_MOST_ATOMS: Final = 99999
_PDB_MOST_MODELS: Final = 9999

Floats = npt.NDArray[np.floating]


def write_structure(
    path: str | Path,
    backbone: Backbone,
    confidence: Floats | None,
    *,
    title: str,
    remarks: Sequence[str],
    side_chains: Mapping[int, SideChain] | None = None,
    given: Mask | None = None,
) -> None:
    """Write chains as PDB or mmCIF by the suffix of ``path`` (``.pdb`` or ``.cif``).

    Every residue has N, CA, C, O and either the side chain that is given or, unless it is glycine, CB from ideal
    geometry; occupancies are 1.

    Args:
        path: File to write; replaced if it exists.
        backbone: The residues, L of them.
        confidence: [L] in [0, 1], written times 100 as B-factors with a remark that says so; None writes 0.
        title: One line.
        remarks: Further lines of free text.
        side_chains: Atoms beyond the backbone, by residue 0 ... L - 1.
        given: Residues [L] that were not chosen by the model: their B-factors are 0, and a remark says so.

    Raises:
        UserInputError: The suffix is unknown, or the chains do not fit the columns of the PDB format.
        ValueError: A coordinate or confidence is not finite.
    """
    path = Path(path)
    if confidence is not None:
        remarks = [*remarks, _CONFIDENCE_REMARK]
        if given is not None and given.any():
            remarks, confidence = [*remarks, _GIVEN_REMARK], np.where(given, 0.0, confidence)
    atoms = _to_atoms(backbone, confidence, side_chains or {})
    match path.suffix:
        case ".pdb":
            text = _pdb_text([_atom_lines(path, atoms)], title, remarks)
        case ".cif":
            text = _cif_text(printable(path.stem), atoms, title, remarks)
        case suffix:
            raise UserInputError(f"structure file {path} ends in {suffix!r}; choose .pdb or .cif")
    write_atomically(path, text)


def write_trajectory(
    path: str | Path, steps: Sequence[Backbone], *, title: str = "TRAJECTORY", remarks: Sequence[str] = ()
) -> None:
    """Write the steps of a design as the models of one PDB file, N, CA, C and O.

    Every model names the residues as the last step does, because programs expect the same atoms in all models.

    Args:
        path: File to write; replaced if it exists.
        steps: The residues at every step.
        title: One line.
        remarks: Further lines of free text.

    Raises:
        UserInputError: The trajectory does not fit the columns of the PDB format.
        ValueError: A coordinate is not finite.
    """
    path = Path(path)
    if len(steps) > _PDB_MOST_MODELS:
        raise UserInputError(f"{path}: {len(steps)} steps; a PDB file has at most {_PDB_MOST_MODELS} models")
    models = []
    for step in steps:
        is_chosen = (step.tokens != MASK).astype(np.float64)
        atoms = _to_atoms(replace(step, tokens=steps[-1].tokens), is_chosen, side_chains=None)
        models.append(_atom_lines(path, atoms))
    write_atomically(path, _pdb_text(models, title, [*remarks, *_TRAJECTORY_REMARKS]))


def fasta_record(name: str, sequence: str, **annotations: str | int | float) -> str:
    """Return a FASTA record: ``>name key=value ...``, then the sequence on a single line."""
    header = " ".join([f">{name}", *(f"{key}={value}" for key, value in annotations.items())])
    return f"{printable(header)}\n{sequence}\n"


def ideal_beta_carbons(coordinates: Floats) -> Floats:
    """Positions of CB, [L, 3], at ideal bond lengths and angles from N, CA and C of [L, 4, 3], Angstrom."""
    nitrogen, alpha, carbonyl = (np.asarray(coordinates[:, atom], dtype=np.float64) for atom in range(3))
    first, second = alpha - nitrogen, carbonyl - alpha
    # coefficients of the tetrahedral position in the (not orthogonal) basis of the two bonds and their normal
    return alpha - 0.58273431 * np.cross(first, second) + 0.56802827 * first - 0.54067466 * second


def _to_atoms(
    backbone: Backbone, confidence: Floats | None, side_chains: Mapping[int, SideChain] | None
) -> struc.AtomArray:
    """Return the atoms in file order, rounded as both formats write them; no side chains at all where they are None."""
    coordinates, tokens, labels, length = backbone.coordinates, backbone.tokens, backbone.names, len(backbone)
    assert coordinates.shape == (length, 4, 3), coordinates.shape
    _check_finite("coordinates", coordinates)
    b_factors = np.zeros(length)
    if confidence is not None:
        assert confidence.shape == (length,), confidence.shape
        _check_finite("confidence", confidence)
        b_factors = 100.0 * np.asarray(confidence, dtype=np.float64)
    beta_carbons = ideal_beta_carbons(coordinates)
    names, elements, positions, residue = [], [], [], []
    for k in range(length):
        side = SideChain((), (), np.zeros((0, 3), dtype=np.float32))
        if side_chains is not None and tokens[k] != _GLYCINE:
            side = side_chains.get(k, side)
            if "CB" not in side.names:
                placed = np.concatenate([beta_carbons[k, None], side.coordinates])
                side = SideChain(("CB", *side.names), ("C", *side.elements), placed)
        names += [*_BACKBONE_ATOMS, *side.names]
        elements += [*(name[0] for name in _BACKBONE_ATOMS), *side.elements]
        positions += [coordinates[k], side.coordinates]
        residue += [k] * (len(_BACKBONE_ATOMS) + len(side.names))
    atoms = struc.AtomArray(len(residue))
    atoms.coord = np.round(np.concatenate(positions), 3).astype(np.float32) + 0.0  # no minus before a zero
    atoms.chain_id = np.array([item.chain for item in labels])[residue]
    atoms.res_id = np.array([item.number for item in labels])[residue]
    atoms.ins_code = np.array([item.insertion_code for item in labels])[residue]
    atoms.res_name = np.array(THREE_LETTER)[tokens][residue]
    atoms.atom_name, atoms.element = np.array(names), np.array(elements)
    atoms.set_annotation("occupancy", np.ones(len(residue)))
    atoms.set_annotation("b_factor", np.round(b_factors, 2)[residue])
    # TER takes a number at the end of every chain
    atoms.set_annotation("atom_id", 1 + np.arange(len(residue)) + _chain_numbers(atoms))
    return atoms


def _chain_numbers(atoms: struc.AtomArray) -> npt.NDArray[np.int64]:
    """Number the chains 0, 1, ... as they follow each other, [atoms]."""
    return np.concatenate([[0], np.cumsum(atoms.chain_id[1:] != atoms.chain_id[:-1])])


def _check_finite(name: str, values: Floats) -> None:
    broken = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(broken):
        raise ValueError(f"{name} of residue {broken[0] + 1} are not finite; nothing was written")


def _check_pdb_limits(path: Path, atoms: struc.AtomArray) -> None:
    least, greatest = _PDB_COORDINATE_RANGE
    first, last = _PDB_RESIDUE_NUMBERS
    instead = "write mmCIF (.cif), which has no such limit"
    if atoms.res_id.min() < first or atoms.res_id.max() > last:
        number = atoms.res_id.min() if atoms.res_id.min() < first else atoms.res_id.max()
        raise UserInputError(f"{path}: residue {number}; PDB numbers residues from {first} to {last}: {instead}")
    if atoms.atom_id[-1] >= _PDB_MOST_ATOMS:
        raise UserInputError(f"{path}: {len(atoms)} atoms; PDB numbers up to {_PDB_MOST_ATOMS}: {instead}")
    if max(map(len, set(atoms.chain_id.tolist()))) > 1:
        name = max(set(atoms.chain_id.tolist()), key=len)
        raise UserInputError(f"{path}: chain {name}; PDB names chains with one letter: {instead}")
    outside = atoms.coord[(atoms.coord < least) | (atoms.coord > greatest)]
    if len(outside):
        raise UserInputError(
            f"{path}: coordinate {outside[0]:.3f} does not fit the columns of a PDB file ({least} to {greatest} "
            "Angstrom); write mmCIF (.cif), or move the structure to the origin"
        )


def _atom_lines(path: Path, atoms: struc.AtomArray) -> list[str]:
    _check_pdb_limits(path, atoms)
    file = PDBFile()
    file.set_structure(atoms)
    lines = []
    # biotite ends a chain without a record; programs that follow the format expect TER with the next serial number
    for _, members in itertools.groupby(zip(_chain_numbers(atoms), file.lines, strict=True), lambda pair: pair[0]):
        lines += [str(line) for _, line in members]
        lines.append(f"TER   {len(lines) + 1:>5}      {lines[-1][17:27]}")
    return lines


def _pdb_text(models: Sequence[Sequence[str]], title: str, remarks: Sequence[str]) -> str:
    title, remarks = printable(title), [printable(remark) for remark in remarks]
    lines = [f"HEADER    {'PROTEIN':<40}"]  # DSSP 4 takes a file without it for mmCIF
    for number, piece in enumerate(textwrap.wrap(title, _PDB_TEXT_WIDTH), start=1):
        lines.append(f"TITLE     {piece}" if number == 1 else f"TITLE   {number:>2} {piece}")
    if remarks:
        pieces = ["", *(piece for remark in remarks for piece in textwrap.wrap(remark, _PDB_TEXT_WIDTH))]
        lines += [f"REMARK {_FREE_TEXT_REMARK:>3} {piece}" for piece in pieces]  # the first one is empty by the format
    for number, model in enumerate(models, start=1):
        lines += model if len(models) == 1 else [f"MODEL     {number:>4}", *model, "ENDMDL"]
    lines.append("END")
    text = "".join(f"{line:<80}\n" for line in lines)
    return text.encode("ascii", "replace").decode()  # the format knows no other letters


def _cif_text(name: str, atoms: struc.AtomArray, title: str, remarks: Sequence[str]) -> str:
    block = CIFBlock()
    block["entry"] = CIFCategory({"id": name})
    block["struct"] = CIFCategory({"entry_id": name, "title": printable(title)})
    if remarks:
        block["pdbx_database_remark"] = CIFCategory(
            {"id": _FREE_TEXT_REMARK, "text": "\n".join(map(printable, remarks))}
        )
    is_first = atoms.atom_name == _BACKBONE_ATOMS[0]
    chain, residues = _chain_numbers(atoms)[is_first], atoms[is_first]
    starts = [int(np.flatnonzero(chain == number)[0]) for number in range(chain[-1] + 1)]
    entities = np.arange(1, len(starts) + 1)
    number = np.arange(len(chain)) - np.array(starts)[chain] + 1
    letters = np.array([*RESIDUES])[[THREE_LETTER.index(name) for name in residues.res_name]]
    names = residues.chain_id[starts]
    block["entity"] = CIFCategory(
        {"id": entities, "type": ["polymer"] * len(starts), "src_method": ["syn"] * len(starts)}
    )
    block["entity_poly"] = CIFCategory(
        {
            "entity_id": entities,
            "type": ["polypeptide(L)"] * len(starts),
            "pdbx_seq_one_letter_code": ["".join(letters[chain == k]) for k in range(len(starts))],
            "pdbx_strand_id": names,
        }
    )
    block["entity_poly_seq"] = CIFCategory({"entity_id": chain + 1, "num": number, "mon_id": residues.res_name})
    block["struct_asym"] = CIFCategory({"id": names, "entity_id": entities})
    set_structure(block, atoms)
    block["atom_site"]["label_entity_id"] = _chain_numbers(atoms) + 1
    block["atom_site"]["label_seq_id"] = number[np.cumsum(is_first) - 1]
    file = CIFFile({name: block})
    return str(file.serialize())
