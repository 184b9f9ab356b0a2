"""Structure files as they come: PDB, mmCIF and BinaryCIF, each also gzipped, and what their headers say of the model.

A file is read with distrust: its size, what a .gz expands to and what a BinaryCIF announces are bounded, a web page
saved under the name of a structure is told apart, and whatever a parser raises becomes one `StructureError`.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from biotite.structure.io.pdb import PDBFile

from gm_multimodal.errors import StructureError, TooLarge
from gm_multimodal.printable import printable
from gm_multimodal.protein.cif import parse_binary_cif, parse_cif
from gm_multimodal.reading import MAX_BYTES, read_bytes

SUFFIXES: Final = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
"""What the name of a structure file ends in; each may be followed by ``.gz``."""

ATOM_NAMES: Final = ("N", "CA", "C", "O", "C1'", "C1*")
"""The atoms that are read: the backbone of proteins, and the one by which a nucleotide is known."""

_NO_ATOMS: Final = "has no protein chain: none of its atoms is one of a backbone"
_PDB_COORDINATES_END: Final = 54
_PDB_RESOLUTION: Final = re.compile(r"^REMARK   2 RESOLUTION\.\s+(\d+\.\d+)", re.MULTILINE)
_PDB_EXPERIMENT: Final = re.compile(r"^EXPDTA(?!.*THEORETICAL)", re.MULTILINE)
_PDB_PREDICTED: Final = re.compile(
    r"^(HEADER|TITLE|EXPDTA|REMARK).*(ALPHAFOLD|ESMFOLD|ROSETTAFOLD|OMEGAFOLD|OPENFOLD|COLABFOLD|THEORETICAL MODEL)",
    re.MULTILINE | re.IGNORECASE,
)
_CIF_RESOLUTIONS: Final = (
    ("refine", "ls_d_res_high"),
    ("em_3d_reconstruction", "resolution"),
    ("reflns", "d_resolution_high"),
)


@final
@dataclass(frozen=True)
class Atoms:
    """The atoms named in `ATOM_NAMES` of one model, in the order of the file; position i describes atom i.

    Attributes:
        chain: author's chain names.
        number: author's residue numbers.
        insertion: insertion codes, empty where there is none.
        residue: three-letter names.
        name: atom names.
        altloc: alternative locations, empty where there is none.
        hetero: whether the record is HETATM.
        xyz: [n, 3] float32, Angstrom.
        occupancy: shares.
        b_factor: square Angstrom, or a confidence in predictions.
    """

    chain: list[str]
    number: list[int]
    insertion: list[str]
    residue: list[str]
    name: list[str]
    altloc: list[str]
    hetero: list[bool]
    xyz: npt.NDArray[np.float32]
    occupancy: list[float]
    b_factor: list[float]


@final
@dataclass(frozen=True)
class StructureFile:
    """A parsed file.

    Attributes:
        path: where it was read from.
        resolution: Angstrom; None where the header gives none, as for NMR and predictions.
        is_predicted: whether the header says that a program made the model; B-factors are then a confidence.
        models: how many models there are.
        content: biotite's PDBFile, or the category atom_site.
    """

    path: Path
    resolution: float | None
    is_predicted: bool
    models: int
    content: Any

    def atoms(self, model: int) -> Atoms:
        """Return the atoms of one model, counted from 1, with all alternative locations.

        Raises:
            StructureError: There is no such model, or its atoms are malformed.
        """
        with _explained(self.path, f"cannot be read (model {model})"):
            if not 1 <= model <= self.models:
                raise ValueError(f"it has {self.models} models")
            read = _pdb_atoms if isinstance(self.content, PDBFile) else _cif_atoms
            atoms = read(self.content, model)
            check_names(self.path, chain=atoms.chain, residue=atoms.residue, insertion=atoms.insertion)
            return atoms


def is_structure_name(name: str) -> bool:
    """Whether a file of that name is taken for a structure."""
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def open_structure(path: str | Path, *, max_bytes: int = MAX_BYTES) -> StructureFile:
    """Read and parse a structure file.

    Args:
        path: its name ends in one of `SUFFIXES`, or in one of them followed by ``.gz``.
        max_bytes: refuse a file, or what a .gz expands to, that is larger.

    Raises:
        StructureError: The file is missing, of another kind, too large or malformed.
    """
    path = Path(path)
    name = path.name.lower()
    if not is_structure_name(name):
        known = ", ".join(SUFFIXES)
        raise StructureError(path, f"is of no known kind; its name must end in one of {known} (+ .gz)")
    if not path.is_file():
        raise StructureError(path, "does not exist")
    with _explained(path, "cannot be read"):
        content = read_bytes(path, max_bytes)
        if content.lstrip()[:1] == b"<":
            raise StructureError(path, "is a web page or XML, not a structure")
        if ".bcif" in name[-8:]:
            return _open_cif(path, parse_binary_cif(content, max_bytes))
        if name.removesuffix(".gz").endswith("cif"):
            return _open_cif(path, parse_cif(content, max_bytes))
        return _open_pdb(path, content.decode("ascii", "replace"))


def check_names(path: str | Path, **names: Iterable[str]) -> None:
    """Refuse names that cannot be printed; those of chains, residues and atoms go into tables and files as they are.

    Args:
        path: of the file.
        names: all of a kind, by kind.

    Raises:
        StructureError: One of them holds a control character or its like.
    """
    for kind, found in names.items():
        odd = sorted(name for name in set(found) if not name.isprintable())
        if odd:
            raise StructureError(path, f"has the {kind} name {printable(odd[0])}, which cannot be printed: change it")


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises into a `StructureError`: a malformed file can break it anywhere."""
    try:
        # biotite warns of absent columns (elements, say) that no backbone needs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except StructureError:
        raise
    except TooLarge as error:
        raise StructureError(path, error.reason, "give a larger max_megabytes") from error
    except MemoryError as error:
        raise StructureError(path, f"{what}: it needs too much memory") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StructureError(path, f"{what}: {reason}") from error


def _open_pdb(path: Path, text: str) -> StructureFile:
    lines = list(_backbone_lines(io.StringIO(text, newline=None)))
    if not any(line.startswith(("ATOM", "HETATM")) for line in lines):
        raise StructureError(path, _NO_ATOMS)
    file = PDBFile.read(io.StringIO("\n".join(lines)))
    head = text[: text.find("\nATOM  ")]
    match = _PDB_RESOLUTION.search(head)
    is_predicted = bool(_PDB_PREDICTED.search(head)) and not _PDB_EXPERIMENT.search(head)
    return StructureFile(path, float(match[1]) if match else None, is_predicted, file.get_model_count(), file)


def _backbone_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the records that matter: without side chains a file is read several times faster."""
    for number, line in enumerate((line.rstrip("\n") for line in lines), start=1):
        if line.startswith(("ATOM  ", "HETATM")):
            if len(line) < _PDB_COORDINATES_END:
                raise ValueError(f"line {number} is cut off")
            if line[12:16].strip() in ATOM_NAMES:
                # programs that know no occupancy or B-factor leave the columns blank
                occupancy, b_factor = line[54:60].strip() or "1.00", line[60:66].strip() or "0.00"
                yield f"{line[:54]}{occupancy:>6}{b_factor:>6}{line[66:]:<14}"
        elif line.startswith(("MODEL ", "ENDMDL")):
            yield line


def _pdb_atoms(file: PDBFile, model: int) -> Atoms:
    atoms = file.get_structure(model, altloc="all", extra_fields=["occupancy", "b_factor"])
    return Atoms(
        atoms.chain_id.tolist(),
        atoms.res_id.tolist(),
        atoms.ins_code.tolist(),
        atoms.res_name.tolist(),
        atoms.atom_name.tolist(),
        [altloc.strip() for altloc in atoms.altloc_id.tolist()],
        atoms.hetero.tolist(),
        np.asarray(atoms.coord, dtype=np.float32),
        atoms.occupancy.tolist(),
        atoms.b_factor.tolist(),
    )


def _open_cif(path: Path, file: Any) -> StructureFile:
    block = next((block for block in file.values() if "atom_site" in block), None)
    if block is None:
        raise StructureError(path, _NO_ATOMS)
    atoms = block["atom_site"]
    is_predicted = any(name.startswith("ma_qa_metric") for name in block) and "exptl" not in block
    models = len(np.unique(_models(atoms))) if atoms.row_count else 0
    return StructureFile(path, _cif_resolution(path, block), is_predicted, models, atoms)


def _cif_atoms(category: Any, model: int) -> Atoms:
    models = _models(category)
    numbers = list(dict.fromkeys(models.tolist()))
    rows = models == numbers[model - 1]
    rows &= np.isin(_author(category, "atom_id").as_array(str), ATOM_NAMES)

    def text(name: str, default: str = "") -> list[str]:
        return category[name].as_array(str, "")[rows].tolist() if name in category else [default] * int(rows.sum())

    def figures(name: str, default: float) -> list[float]:
        if name not in category:
            return [default] * int(rows.sum())
        return category[name].as_array(float, default)[rows].tolist()

    return Atoms(
        _author(category, "asym_id").as_array(str)[rows].tolist(),
        _author(category, "seq_id").as_array(int, -1)[rows].tolist(),
        text("pdbx_PDB_ins_code"),
        _author(category, "comp_id").as_array(str)[rows].tolist(),
        _author(category, "atom_id").as_array(str)[rows].tolist(),
        text("label_alt_id"),
        [record == "HETATM" for record in text("group_PDB", "ATOM")],
        np.stack([category[f"Cartn_{axis}"].as_array(np.float32)[rows] for axis in "xyz"], -1),
        figures("occupancy", 1.0),
        figures("B_iso_or_equiv", 0.0),
    )


def _author(category: Any, what: str) -> Any:
    """Return the author's column of a name or number where the file has it, otherwise the database's own."""
    name = f"auth_{what}"
    return category[name if name in category else f"label_{what}"]


def _models(category: Any) -> npt.NDArray[np.int64]:
    if "pdbx_PDB_model_num" not in category:
        return np.ones(category.row_count, dtype=np.int64)
    return category["pdbx_PDB_model_num"].as_array(int, 1)


def _cif_resolution(path: Path, block: Any) -> float | None:
    for category, column in _CIF_RESOLUTIONS:
        if category in block and column in block[category]:
            values = block[category][column].as_array(str, "")
            try:
                return float(values[0])
            except ValueError:  # not known, or not applicable
                continue
    return None
