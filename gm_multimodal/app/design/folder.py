"""The run folder of `design`: which designs are done, what may continue it, and writing that a kill cannot spoil.

    config.yaml       the resolved configuration, versions and checkpoint digest; no dates
    designs.csv       one row per design
    designs.fasta     one record per design
    mapping.csv       where the residues that were copied from an input stand, if there are any
    best/             copies of the best designs and their rows, on request
    design_0000.pdb   one structure per design (or .cif)
    trajectories/     one multi-model PDB file per design, on request

A design is done when its row stands in designs.csv and its files exist.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gm_multimodal.app.design.options import SHORT_FOR
from gm_multimodal.app.folders.csv_table import read_table, write_table
from gm_multimodal.app.folders.hold import foreign, refuse_foreign, writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import in_the_way, leftovers, own_folder, write_atomically
from gm_multimodal.protein.output import fasta_record

COLUMNS = (
    "id",
    "seed",
    "length",
    "sequence",
    "file",
    "input",
    "confidence",
    "mean_probability",
    "score",
    "recovery",
    "helix",
    "strand",
    "coil",
    "radius_of_gyration",
    "ca_ca_valid",
    "clashes",
    "seconds",
)

_NUMBERS = COLUMNS[COLUMNS.index("confidence") :]

MAPPING_COLUMNS = (
    "id",
    "chain",
    "residue",
    "insertion_code",
    "input",
    "input_chain",
    "input_residue",
    "input_insertion_code",
    "given",
)

Row = Mapping[str, str]
"""Column name -> text, as it stands in designs.csv or mapping.csv."""

_MOST_DESIGNS = 1_000_000_000
_TABLE, _FASTA, _TRAJECTORIES = "designs.csv", "designs.fasta", "trajectories"
_MAPPING, _BEST = "mapping.csv", "best"
_DESIGN_FILE = r"design_\d+\.(pdb|cif)"
_FILE = rf"(designs|mapping)\.csv|designs\.fasta|{_DESIGN_FILE}"
# More designs continue a run; a checkpoint and input files are told by their digests, and processes by themselves.
_RECORD = RunRecord(
    "a run", "made_with", _FILE, may_differ=("num_designs", "checkpoint", "fasta", "structure", *SHORT_FOR)
)
_HEAD = 2000  # bytes of a structure file that say who wrote it


@dataclass(frozen=True)
class RunFolder:
    """Where the files of one run lie.

    Attributes:
        path: the folder.
        suffix: of structure files, ".pdb" or ".cif".
        trajectories: True if every design has a trajectory too.
    """

    path: Path
    suffix: str
    trajectories: bool

    def open(self, configuration: Mapping[str, Any], made_with: Mapping[str, str]) -> None:
        """Create the folder or take up the run that is there; afterwards it is known to be writable.

        Leftovers of a killed run are removed and config.yaml is written.

        Args:
            configuration: everything that decides the files, resolved; `num_designs` may grow from run to run.
            made_with: versions and digests, which must be equal too.

        Raises:
            UserInputError: It cannot be written, holds files but no run, or holds another run (with the differences).
        """
        wanted = {**configuration, _RECORD.mark: dict(made_with)}
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            old = _RECORD.check(self.path, wanted)
            if old is not None:
                wanted["num_designs"] = max(self._count(old), int(wanted["num_designs"]))
            for leftover in leftovers(self.path / _TRAJECTORIES, _FILE):
                leftover.unlink()
            if self.trajectories:
                own_folder(self.path / _TRAJECTORIES)
            _RECORD.write(self.path, wanted)

    def _count(self, old: Mapping[str, Any]) -> int:
        """Return how many designs a record asks for."""
        count = old.get("num_designs")
        if type(count) is not int or not 0 < count <= _MOST_DESIGNS:
            raise UserInputError(
                f"{self.path / _RECORD.name} says num_designs={count!s:.50}, which no run wrote: "
                "give another out=FOLDER."
            )
        return count

    def structure(self, index: int) -> Path:
        """Return the structure file of design `index`."""
        return self.path / f"{design_id(index)}{self.suffix}"

    def trajectory(self, index: int) -> Path:
        """Return the trajectory file of design `index`."""
        return self.path / _TRAJECTORIES / f"{design_id(index)}.pdb"

    def done(self) -> dict[int, Row]:
        """Return the rows of the designs that are complete on disk, by index.

        Raises:
            UserInputError: designs.csv has other columns than such a table.
        """
        rows = {self._index(row): row for row in _rows(self.path / _TABLE)}
        return {index: row for index, row in sorted(rows.items()) if self._has_files(index)}

    def refuse_foreign(self, indices: Iterable[int]) -> None:
        """Refuse to make designs where a file stands that no run wrote; a killed run may have left its own.

        Raises:
            UserInputError: Naming the file.
        """
        for index in indices:
            for file in (self.structure(index), *([self.trajectory(index)] if self.trajectories else [])):
                if in_the_way(file.parent, [file.name]) and not _is_of_design(file, index):
                    raise foreign(file)

    def write_tables(self, rows: Mapping[int, Row]) -> None:
        """Write designs.csv and designs.fasta, in the order of the designs; the second follows from the first."""
        ordered = [rows[index] for index in sorted(rows)]
        write_table(self.path / _TABLE, COLUMNS, ordered)
        write_atomically(self.path / _FASTA, "".join(_fasta(row) for row in ordered))

    def write_best(self, rows: Sequence[Row]) -> Path:
        """Copy these designs and their rows, in this order, into a folder of their own.

        Copies that were made before and are no longer among them go; anything else stays as it is.

        Raises:
            UserInputError: A file that is not a copy of a design stands in the place of one.
        """
        folder = own_folder(self.path / _BEST)
        if not _rows(folder / _TABLE):
            refuse_foreign(folder, [_TABLE, _FASTA])
        for row in rows:
            if not self._is_copy(folder / row["file"]):
                refuse_foreign(folder, [row["file"]])
                write_atomically(folder / row["file"], (self.path / row["file"]).read_bytes())
        write_table(folder / _TABLE, COLUMNS, rows)
        write_atomically(folder / _FASTA, "".join(map(_fasta, rows)))
        kept = {row["file"] for row in rows}
        others = (file for file in folder.iterdir() if file.name not in kept)
        earlier = [file for file in others if re.fullmatch(_DESIGN_FILE, file.name) and self._is_copy(file)]
        for file in (*earlier, *leftovers(folder, _FILE)):
            file.unlink()
        return folder

    def write_mapping(self, rows: Sequence[Row]) -> None:
        """Write mapping.csv."""
        write_table(self.path / _MAPPING, MAPPING_COLUMNS, rows)

    def _index(self, row: Row) -> int:
        """Return which design a row of designs.csv is of, and refuse a row that names another file than its own."""
        digits = (row["id"] or "").removeprefix("design_")
        index = int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 10 else -1
        if index < 0 or row["file"] != self.structure(index).name:
            raise UserInputError(
                f"{self.path / _TABLE} has a row that no run wrote ({row['id']!r:.50}, {row['file']!r:.50}): move the "
                "table away, or give another out=FOLDER."
            )
        return index

    def _is_copy(self, file: Path) -> bool:
        """Return whether a file of best/ is one, and no link, and equal to the design of its name."""
        design = self.path / file.name
        is_file = in_the_way(file.parent, [file.name]) and file.is_file() and design.is_file()
        return bool(is_file) and file.read_bytes() == design.read_bytes()

    def _has_files(self, index: int) -> bool:
        return self.structure(index).exists() and (not self.trajectories or self.trajectory(index).exists())


def design_id(index: int) -> str:
    """Return the name of design `index`, such as design_0003."""
    return f"design_{index:04d}"


def _is_of_design(file: Path, index: int) -> bool:
    """Return whether a structure file says that it is this design, made by us."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        head = content.read(_HEAD)
    return all(mark.encode() in head for mark in (f"gm_multimodal {design_id(index)},", "DESIGNED BY GM_MULTIMODAL"))


def _rows(table: Path) -> Sequence[Row]:
    """Return the rows of a table of designs; none if there is no table.

    Raises:
        UserInputError: It has other columns than such a table.
    """
    if not table.exists():
        return []
    columns, rows = read_table(table, _NUMBERS)
    if columns != COLUMNS:
        raise UserInputError(f"{table} has other columns than a run's table: move it away, or give another out=.")
    return rows


def _fasta(row: Row) -> str:
    """Return the record of a design; what could not be computed is not mentioned."""
    keys = ("input", "length", "seed", "confidence", "score", "recovery")
    annotations = {key: row[key] for key in keys if row[key]}
    return fasta_record(row["id"], row["sequence"], **annotations)
