"""Structure files as they come: PDB, mmCIF and BinaryCIF, each also gzipped, and what their headers say of the model.

A file is read with distrust: its size, what a .gz expands to and what a BinaryCIF announces are bounded, a web page
saved under the name of a structure is told apart, and whatever a parser raises becomes one `StructureError`.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from biotite.structure import AtomArray, infer_elements

from gm_multimodal.errors import StructureError, TooLarge
from gm_multimodal.printable import printable
from gm_multimodal.protein.cif import parse_binary_cif, parse_cif
from gm_multimodal.protein.file_format import as_ascii, is_binary_cif, is_cif
from gm_multimodal.protein.molecules import SUGAR
from gm_multimodal.protein.pdb_file import PdbText, parse_pdb
from gm_multimodal.protein.predictions import is_predicted_cif, is_predicted_pdb
from gm_multimodal.reading import MAX_BYTES, read_bytes

SUFFIXES: Final = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
"""What the name of a structure file ends in; each may be followed by ``.gz``."""

ATOM_NAMES: Final = ("N", "CA", "C", "O", *SUGAR)
"""The atoms that make a chain: the backbone of proteins, and the one by which a nucleotide is known."""

TERMINAL_OXYGENS: Final = ("OT1", "OC1", "O1", "O'", "OXT")
"""What CHARMM, GROMACS and others call the O of the last residue, in the order of preference."""

_READ_NAMES: Final = frozenset((*ATOM_NAMES, "CB", *TERMINAL_OXYGENS))
_ASSEMBLY: Final = re.compile(r"\.pdb\d+$")  # as the PDB calls its assemblies
_NO_ATOMS: Final = "has no protein chain: none of its atoms is one of a backbone"
_NAMES: Final = {"chain": "chain_id", "residue": "res_name", "insertion": "ins_code", "atom": "atom_name"}
_PDB_RESOLUTION: Final = re.compile(r"^REMARK   2 RESOLUTION\.\s+(\d+\.\d+)", re.MULTILINE)
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
        side_chains: whether all atoms are read, or the backbone with CB, and what has alternatives.
        content: what was parsed of a PDB file, or the category atom_site.
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
        `occupancy` and `b_factor` are annotations, the last a confidence in predictions, and `mark` and `order` tell
        `molecules` where one ends.

        Raises:
            StructureError: There is no such model, or its atoms are malformed.
        """
        with _explained(self.path, f"cannot be read (model {model})"):
            if not 1 <= model <= self.models:
                raise ValueError(f"it has {self.models} models")
            if isinstance(self.content, PdbText):
                atoms = self.content.atoms(model)
            else:
                atoms = _cif_atoms(self.content, model, None if self.side_chains else [*_READ_NAMES])
            atoms.altloc_id = np.char.strip(atoms.altloc_id)
            _check_names(self.path, atoms)
            return atoms


def is_structure_name(name: str) -> bool:
    """Whether a file of that name is taken for a structure."""
    name = name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES) or bool(_ASSEMBLY.search(name))


def open_structure(path: str | Path, *, side_chains: bool = False, max_bytes: int = MAX_BYTES) -> StructureFile:
    """Read and parse a structure file.

    Args:
        path: its name ends in one of `SUFFIXES` or in .pdb1 and the like, perhaps followed by ``.gz``; the format is
            told by the content.
        side_chains: read all atoms; without them a PDB file is read several times faster.
        max_bytes: refuse a file, or what a .gz expands to, that is larger.

    Raises:
        StructureError: The file is missing, of another kind, too large or malformed.
    """
    path = Path(path)
    if not is_structure_name(path.name):
        known = ", ".join(SUFFIXES)
        raise StructureError(path, f"is not a known kind of file; its name must end in one of {known} (+ .gz)")
    if not path.is_file():
        raise StructureError(path, "does not exist")
    with _explained(path, "cannot be read"):
        content = read_bytes(path, max_bytes)
        if is_binary_cif(content):
            return _open_cif(path, parse_binary_cif(content, max_bytes), side_chains)
        content = as_ascii(content)
        if content.lstrip()[:1] == b"<":
            raise StructureError(path, "is a web page or XML, not a structure")
        if is_cif(content):
            return _open_cif(path, parse_cif(content, max_bytes), side_chains)
        return _open_pdb(path, content.decode("ascii"), side_chains)


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
    except EOFError as error:
        raise StructureError(path, "is truncated: its compressed data end too early", "fetch it again") from error
    except MemoryError as error:
        raise StructureError(path, f"{what}: it needs too much memory") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StructureError(path, f"{what}: {reason}") from error


def _open_pdb(path: Path, text: str, side_chains: bool) -> StructureFile:
    content = parse_pdb(text, None if side_chains else _READ_NAMES)
    if content is None or not content.has_any(ATOM_NAMES):
        raise StructureError(path, _NO_ATOMS)
    head = content.head
    match = _PDB_RESOLUTION.search(head)
    is_predicted = is_predicted_pdb(content)
    resolution = float(match[1]) if match else None
    return StructureFile(path, resolution, is_predicted, content.file.get_model_count(), side_chains, content)


def _open_cif(path: Path, file: Any, side_chains: bool) -> StructureFile:
    block = next((block for block in file.values() if "atom_site" in block), None)
    if block is None:
        raise StructureError(path, _NO_ATOMS)
    atoms = block["atom_site"]
    is_predicted = is_predicted_cif(block)
    models = len(np.unique(_models(atoms))) if atoms.row_count else 0
    return StructureFile(path, _cif_resolution(block), is_predicted, models, side_chains, atoms)


def _cif_atoms(category: Any, model: int, names: Sequence[str] | None) -> AtomArray:
    models = _models(category)
    numbers = list(dict.fromkeys(models.tolist()))
    rows = models == numbers[model - 1]
    atom_names = _author(category, "atom_id")
    altlocs = category["label_alt_id"].as_array(str, "") if "label_alt_id" in category else np.full(len(rows), "")
    if names is not None:
        rows &= np.isin(atom_names, names) | (altlocs != "")
    count = int(rows.sum())

    def column(name: str, kind: type, absent: Any, default: Any) -> npt.NDArray[Any]:
        """Return a column, with `absent` for its empty cells; `default` everywhere where the file lacks it."""
        return category[name].as_array(kind, absent)[rows] if name in category else np.full(count, default)

    atoms = AtomArray(count)
    atoms.coord = np.stack([category[f"Cartn_{axis}"].as_array(np.float32)[rows] for axis in "xyz"], -1)
    atoms.set_annotation("chain_id", _author(category, "asym_id")[rows])
    atoms.set_annotation("res_id", _numbers(_author(category, "seq_id"))[rows])
    atoms.set_annotation("ins_code", column("pdbx_PDB_ins_code", str, "", ""))
    atoms.set_annotation("res_name", _author(category, "comp_id")[rows])
    atoms.set_annotation("atom_name", atom_names[rows])
    atoms.set_annotation("hetero", column("group_PDB", str, "", "ATOM") == "HETATM")
    elements = column("type_symbol", str, "", "")
    atoms.set_annotation("element", np.where(elements == "", infer_elements(atoms.atom_name), elements))
    atoms.set_annotation("altloc_id", altlocs[rows])
    atoms.set_annotation("occupancy", column("occupancy", float, 1.0, 1.0))
    atoms.set_annotation("b_factor", column("B_iso_or_equiv", float, 0.0, 0.0))
    _, mark = np.unique(column("label_asym_id", str, "", ""), return_inverse=True)
    atoms.set_annotation("mark", mark)
    order = column("label_seq_id", str, "", "")
    atoms.set_annotation("order", _numbers(np.where(order == "", atoms.res_id.astype(str), order)))
    return atoms


def _author(category: Any, what: str) -> npt.NDArray[np.str_]:
    """Return the author's names or numbers as text, [atoms]; where one is unknown or absent the database's own."""
    columns = [f"{side}_{what}" for side in ("auth", "label")]
    found = [category[name].as_array(str, "") for name in columns if name in category]
    if not found:
        raise KeyError(" and ".join(columns))
    return np.where(found[0] == "", found[-1], found[0])


def _numbers(texts: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Return residue numbers; those of water and ligands may be unknown altogether, -1."""
    return np.where(texts == "", "-1", texts).astype(np.int64)


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
