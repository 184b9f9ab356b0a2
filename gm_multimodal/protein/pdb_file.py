"""PDB text parsed with what biotite's reader leaves out: chain names of two letters, and where molecules end."""

import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
from biotite.structure import AtomArray
from biotite.structure.io.pdb import PDBFile

from gm_multimodal.protein.residue_names import UNKNOWN_NAME, token_of_name

_ATOM_RECORDS: Final = ("ATOM  ", "HETATM")
_COORDINATES_END: Final = 54
_FIRST_ATOM: Final = re.compile(r"^(ATOM  |HETATM)", re.MULTILINE)


@final
@dataclass(frozen=True)
class PdbText:
    """The coordinates of a file in the PDB format.

    Attributes:
        head: what stands before the first atom.
        file: as biotite parsed it.
    """

    head: str
    file: PDBFile
    _chains: tuple[tuple[str, ...], ...]  # of every atom of every model
    _marks: tuple[tuple[int, ...], ...]

    def has_any(self, names: Collection[str]) -> bool:
        """Whether an atom has one of these names."""
        return any(line[:6] in _ATOM_RECORDS and line[12:16].strip() in names for line in self.file.lines)

    def residue_b_factors(self) -> tuple[list[str], npt.NDArray[np.float64]]:
        """Return the residue and the B-factor of every atom of the first model."""
        lines = [line for line in self.file.lines if line.startswith("ATOM")][: len(self._chains[0])]
        return [line[20:27] for line in lines], np.array([float(line[60:66]) for line in lines])

    def atoms(self, model: int) -> AtomArray:
        """Return the atoms of one model, counted from 1, in the order of the file; `mark` changes where TER stands."""
        atoms = self.file.get_structure(model, altloc="all", extra_fields=["occupancy", "b_factor"])
        assert len(atoms) == len(self._chains[model - 1]), (len(atoms), len(self._chains[model - 1]))
        atoms.chain_id = np.array(self._chains[model - 1])
        atoms.set_annotation("mark", np.array(self._marks[model - 1], dtype=np.int64))
        atoms.set_annotation("order", atoms.res_id)
        return atoms


def parse_pdb(text: str, names: frozenset[str] | None) -> PdbText | None:
    """Parse a PDB file.

    Args:
        text: of the file.
        names: of the atoms that are read, beside those with alternatives; None reads all.

    Returns:
        None if there is no atom.

    Raises:
        ValueError: A line is cut off, or not of this format.
    """
    lines: list[str] = []
    chains: list[list[str]] = [[]]
    marks: list[list[int]] = [[]]
    segments: dict[tuple[int, str], int] = {}
    ends, has_models = 0, False
    for line in _records(text, names):
        if line.startswith("TER"):
            ends += 1
            continue
        lines.append(line)
        if line.startswith("MODEL "):
            # atoms before the first model are of none
            chains, marks = ([*chains, []], [*marks, []]) if has_models else ([[]], [[]])
            has_models = True
        elif line[:6] in _ATOM_RECORDS:
            chains[-1].append(_chain_name(line))
            marks[-1].append(segments.setdefault((ends, line[72:76].strip()), len(segments)))
    if not any(chains):
        return None
    file = PDBFile.read(io.StringIO("\n".join(lines)))
    first = _FIRST_ATOM.search(text)
    head = text[: first.start()] if first else ""
    return PdbText(head, file, tuple(map(tuple, chains)), tuple(map(tuple, marks)))


def _records(text: str, names: frozenset[str] | None) -> Iterator[str]:
    """Yield the records that matter."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        line = line.rstrip("\n")
        if line[:6] in _ATOM_RECORDS:
            if len(line) < _COORDINATES_END:
                raise ValueError(f"line {number} is cut off")
            if names is None or line[16] != " " or line[12:16].strip() in names:
                # programs that know no occupancy or B-factor leave the columns blank
                occupancy, b_factor = line[54:60].strip() or "1.00", line[60:66].strip() or "0.00"
                yield f"{line[:54]}{occupancy:>6}{b_factor:>6}{line[66:]:<14}"
        elif line.startswith(("MODEL ", "ENDMDL", "TER")):
            yield line


def _chain_name(line: str) -> str:
    """Return the name of the chain; gemmi, phenix and ProDy write two letters, the first behind the residue's name."""
    first = line[20]
    if first != " ":
        residue = line[17:20].strip()
        if residue != UNKNOWN_NAME and token_of_name(residue) is None:
            first = " "  # a residue name of four letters
    return f"{first}{line[21]}".strip()
