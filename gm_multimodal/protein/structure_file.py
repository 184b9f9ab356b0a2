"""Structure files as they come: PDB, mmCIF and BinaryCIF, each also gzipped, and what their headers say of the model.

A file is read with distrust: its size, what a .gz expands to and what a BinaryCIF announces are bounded, a web page
saved under the name of a structure is told apart, and whatever a parser raises becomes one `StructureError`.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from biotite.structure import AtomArray, infer_elements
from biotite.structure.io.pdb import PDBFile

from gm_multimodal.errors import StructureError, TooLarge
from gm_multimodal.printable import printable
from gm_multimodal.protein.cif import parse_binary_cif, parse_cif
from gm_multimodal.reading import MAX_BYTES, read_bytes

SUFFIXES: Final = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
"""What the name of a structure file ends in; each may be followed by ``.gz``."""

ATOM_NAMES: Final = ("N", "CA", "C", "O", "C1'", "C1*")
"""The atoms that are always read: the backbone of proteins, and the one by which a nucleotide is known."""

_NO_ATOMS: Final = "has no protein chain: none of its atoms is one of a backbone"
_NAMES: Final = {"chain": "chain_id", "residue": "res_name", "insertion": "ins_code", "atom": "atom_name"}
_ATOM_RECORDS: Final = ("ATOM  ", "HETATM")
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
class StructureFile:
    """A parsed file.

    Attributes:
        path: where it was read from.
        resolution: Angstrom; None where the header gives none, as for NMR and predictions.
        is_predicted: whether the header says that a program made the model; B-factors are then a confidence.
        models: how many models there are.
        side_chains: whether all atoms are read, or those named in `ATOM_NAMES`.
        content: biotite's PDBFile, or the category atom_site.
    """

    path: Path
    resolution: float | None
    is_predicted: bool
    models: int
    side_chains: bool
    content: Any

    def atoms(self, model: int) -> AtomArray:
        """Return the atoms of one model, counted from 1, in the order of the file.

        All alternative locations are there; names and numbers are the author's where the file has two; `altloc_id`,
        `occupancy` and `b_factor` are annotations, the last a confidence in predictions.

        Raises:
            StructureError: There is no such model, or its atoms are malformed.
        """
        with _explained(self.path, f"cannot be read (model {model})"):
            if not 1 <= model <= self.models:
                raise ValueError(f"it has {self.models} models")
            if isinstance(self.content, PDBFile):
                atoms = self.content.get_structure(model, altloc="all", extra_fields=["occupancy", "b_factor"])
            else:
                atoms = _cif_atoms(self.content, model, None if self.side_chains else ATOM_NAMES)
            atoms.altloc_id = np.char.strip(atoms.altloc_id)
            _check_names(self.path, atoms)
            return atoms


def is_structure_name(name: str) -> bool:
    """Whether a file of that name is taken for a structure."""
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def open_structure(path: str | Path, *, side_chains: bool = False, max_bytes: int = MAX_BYTES) -> StructureFile:
    """Read and parse a structure file.

    Args:
        path: its name ends in one of `SUFFIXES`, or in one of them followed by ``.gz``.
        side_chains: read all atoms; without them a PDB file is read several times faster.
        max_bytes: refuse a file, or what a .gz expands to, that is larger.

    Raises:
        StructureError: The file is missing, of another kind, too large or malformed.
    """
    path = Path(path)
    name = path.name.lower()
    if not is_structure_name(name):
        known = ", ".join(SUFFIXES)
        raise StructureError(path, f"is not a known kind of file; its name must end in one of {known} (+ .gz)")
    if not path.is_file():
        raise StructureError(path, "does not exist")
    with _explained(path, "cannot be read"):
        content = read_bytes(path, max_bytes)
        if content.lstrip()[:1] == b"<":
            raise StructureError(path, "is a web page or XML, not a structure")
        if ".bcif" in name[-8:]:
            return _open_cif(path, parse_binary_cif(content, max_bytes), side_chains)
        if name.removesuffix(".gz").endswith("cif"):
            return _open_cif(path, parse_cif(content, max_bytes), side_chains)
        return _open_pdb(path, content.decode("ascii", "replace"), side_chains)


def _check_names(path: Path, atoms: AtomArray) -> None:
    """Refuse names that cannot be printed: they go into tables and files as they are."""
    for kind, annotation in _NAMES.items():
        odd = sorted(name for name in set(atoms.get_annotation(annotation).tolist()) if not name.isprintable())
        if odd:
            raise StructureError(path, f"has the {kind} name {printable(odd[0])}, which cannot be printed: change it")


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises into a `StructureError`: a malformed file can break it anywhere."""
    try:
        # biotite warns of absent columns, such as that of elements, which it then infers from the names of atoms
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


def _open_pdb(path: Path, text: str, side_chains: bool) -> StructureFile:
    lines = list(_atom_lines(io.StringIO(text, newline=None), side_chains))
    if not any(line[:6] in _ATOM_RECORDS and line[12:16].strip() in ATOM_NAMES for line in lines):
        raise StructureError(path, _NO_ATOMS)
    file = PDBFile.read(io.StringIO("\n".join(lines)))
    head = text[: text.find("\nATOM  ")]
    match = _PDB_RESOLUTION.search(head)
    is_predicted = bool(_PDB_PREDICTED.search(head)) and not _PDB_EXPERIMENT.search(head)
    resolution = float(match[1]) if match else None
    return StructureFile(path, resolution, is_predicted, file.get_model_count(), side_chains, file)


def _atom_lines(lines: Iterable[str], side_chains: bool) -> Iterator[str]:
    """Yield the records that matter."""
    for number, line in enumerate((line.rstrip("\n") for line in lines), start=1):
        if line[:6] in _ATOM_RECORDS:
            if len(line) < _PDB_COORDINATES_END:
                raise ValueError(f"line {number} is cut off")
            if side_chains or line[12:16].strip() in ATOM_NAMES:
                # programs that know no occupancy or B-factor leave the columns blank
                occupancy, b_factor = line[54:60].strip() or "1.00", line[60:66].strip() or "0.00"
                yield f"{line[:54]}{occupancy:>6}{b_factor:>6}{line[66:]:<14}"
        elif line.startswith(("MODEL ", "ENDMDL")):
            yield line


def _open_cif(path: Path, file: Any, side_chains: bool) -> StructureFile:
    block = next((block for block in file.values() if "atom_site" in block), None)
    if block is None:
        raise StructureError(path, _NO_ATOMS)
    atoms = block["atom_site"]
    is_predicted = any(name.startswith("ma_qa_metric") for name in block) and "exptl" not in block
    models = len(np.unique(_models(atoms))) if atoms.row_count else 0
    return StructureFile(path, _cif_resolution(block), is_predicted, models, side_chains, atoms)


def _cif_atoms(category: Any, model: int, names: Sequence[str] | None) -> AtomArray:
    models = _models(category)
    numbers = list(dict.fromkeys(models.tolist()))
    rows = models == numbers[model - 1]
    if names is not None:
        rows &= np.isin(_author(category, "atom_id").as_array(str), names)
    count = int(rows.sum())

    def column(name: str, kind: type, absent: Any, default: Any) -> npt.NDArray[Any]:
        """Return a column, with `absent` for its empty cells; `default` everywhere where the file lacks it."""
        return category[name].as_array(kind, absent)[rows] if name in category else np.full(count, default)

    atoms = AtomArray(count)
    atoms.coord = np.stack([category[f"Cartn_{axis}"].as_array(np.float32)[rows] for axis in "xyz"], -1)
    atoms.set_annotation("chain_id", _author(category, "asym_id").as_array(str)[rows])
    atoms.set_annotation("res_id", _author(category, "seq_id").as_array(int, -1)[rows])
    atoms.set_annotation("ins_code", column("pdbx_PDB_ins_code", str, "", ""))
    atoms.set_annotation("res_name", _author(category, "comp_id").as_array(str)[rows])
    atoms.set_annotation("atom_name", _author(category, "atom_id").as_array(str)[rows])
    atoms.set_annotation("hetero", column("group_PDB", str, "", "ATOM") == "HETATM")
    elements = column("type_symbol", str, "", "")
    atoms.set_annotation("element", np.where(elements == "", infer_elements(atoms.atom_name), elements))
    atoms.set_annotation("altloc_id", column("label_alt_id", str, "", ""))
    atoms.set_annotation("occupancy", column("occupancy", float, 1.0, 1.0))
    atoms.set_annotation("b_factor", column("B_iso_or_equiv", float, 0.0, 0.0))
    return atoms


def _author(category: Any, what: str) -> Any:
    """Return the author's column of a name or number where the file has it, otherwise the database's own."""
    name = f"auth_{what}"
    return category[name if name in category else f"label_{what}"]


def _models(category: Any) -> npt.NDArray[np.int64]:
    if "pdbx_PDB_model_num" not in category:
        return np.ones(category.row_count, dtype=np.int64)
    return category["pdbx_PDB_model_num"].as_array(int, 1)


def _cif_resolution(block: Any) -> float | None:
    for category, column in _CIF_RESOLUTIONS:
        if category in block and column in block[category]:
            values = block[category][column].as_array(str, "")
            try:
                return float(values[0])
            except ValueError:  # not known, or not applicable
                continue
    return None
