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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gm_multimodal.app.csv_table import read_table, write_table
from gm_multimodal.app.differences import refuse_differences
from gm_multimodal.app.records import read_record
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import TEMPORARY_SUFFIX, write_atomically
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

_CONFIG, _TABLE, _FASTA, _TRAJECTORIES = "config.yaml", "designs.csv", "designs.fasta", "trajectories"
_MAPPING, _BEST = "mapping.csv", "best"
_HEADER = "# A run of `gm-multimodal design`: the same command in the same place continues it.\n"
_OURS = "made_with"
# More designs continue a run; a checkpoint and input files are told by their digests.
_MAY_DIFFER = ("num_designs", "checkpoint", "fasta", "structure")
_DESIGN_FILE = re.compile(r"design_\d+\.(pdb|cif)")
_LEFTOVER = re.compile(
    rf"(config\.yaml|(designs|mapping)\.csv|designs\.fasta|design_\d+\.(pdb|cif))\.\d+{re.escape(TEMPORARY_SUFFIX)}"
)


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
        wanted = {**configuration, _OURS: dict(made_with)}
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            old = _read_config(self.path)
            if old is not None:
                refuse_differences(self.path, old, wanted, may_differ=_MAY_DIFFER)
                wanted["num_designs"] = max(int(old.get("num_designs", 0)), int(wanted["num_designs"]))
            for leftover in _leftovers(self.path):
                leftover.unlink()
            if self.trajectories:
                (self.path / _TRAJECTORIES).mkdir(exist_ok=True)
            record = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True)
            write_atomically(self.path / _CONFIG, _HEADER + record)

    def structure(self, index: int) -> Path:
        """Return the structure file of design `index`."""
        return self.path / f"{design_id(index)}{self.suffix}"

    def trajectory(self, index: int) -> Path:
        """Return the trajectory file of design `index`."""
        return self.path / _TRAJECTORIES / f"{design_id(index)}.pdb"

    def done(self) -> dict[int, Row]:
        """Return the rows of the designs that are complete on disk, by index.

        Raises:
            UserInputError: designs.csv has other columns than ours.
        """
        table = self.path / _TABLE
        if not table.exists():
            return {}
        columns, rows = read_table(table)
        if columns != COLUMNS:
            raise UserInputError(f"{table} has other columns than a run's table: move it away, or give another out=.")
        numbered = {int(row["id"].removeprefix("design_")): row for row in rows}
        return {index: row for index, row in sorted(numbered.items()) if self._has_files(index)}

    def write_tables(self, rows: Mapping[int, Row]) -> None:
        """Write designs.csv and designs.fasta, in the order of the designs; the second follows from the first."""
        ordered = [rows[index] for index in sorted(rows)]
        write_table(self.path / _TABLE, COLUMNS, ordered)
        write_atomically(self.path / _FASTA, "".join(_fasta(row) for row in ordered))

    def write_best(self, rows: Sequence[Row]) -> Path:
        """Copy these designs and their rows, in this order, into a folder of their own that holds nothing else."""
        folder = self.path / _BEST
        folder.mkdir(exist_ok=True)
        for row in rows:
            write_atomically(folder / row["file"], (self.path / row["file"]).read_bytes())
        write_table(folder / _TABLE, COLUMNS, rows)
        write_atomically(folder / _FASTA, "".join(map(_fasta, rows)))
        kept = {_TABLE, _FASTA} | {row["file"] for row in rows}
        for file in folder.iterdir():
            if file.name not in kept and (_DESIGN_FILE.fullmatch(file.name) or _LEFTOVER.fullmatch(file.name)):
                file.unlink()
        return folder

    def write_mapping(self, rows: Sequence[Row]) -> None:
        """Write mapping.csv."""
        write_table(self.path / _MAPPING, MAPPING_COLUMNS, rows)

    def _has_files(self, index: int) -> bool:
        return self.structure(index).exists() and (not self.trajectories or self.trajectory(index).exists())


def design_id(index: int) -> str:
    """Return the name of design `index`, such as design_0003."""
    return f"design_{index:04d}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that the user can act on.

    Raises:
        UserInputError: Naming the file or folder and the reason.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or path
        raise UserInputError(f"cannot write {place}: {error.strerror or error}. Give another out=FOLDER.") from error


def _leftovers(path: Path) -> list[Path]:
    folders = [folder for folder in (path, path / _TRAJECTORIES) if folder.is_dir()]
    return [file for folder in folders for file in folder.iterdir() if _LEFTOVER.fullmatch(file.name)]


def _read_config(path: Path) -> Mapping[str, Any] | None:
    """Return what config.yaml holds; None in a folder with nothing but leftovers of ours."""
    file = path / _CONFIG
    if not file.exists():
        if set(path.iterdir()) <= set(_leftovers(path)):
            return None
        raise UserInputError(f"{path} holds files but no run of ours (no {_CONFIG}): give another out=FOLDER.")
    return read_record(file, _OURS, "run")


def _fasta(row: Row) -> str:
    """Return the record of a design; what could not be computed is not mentioned."""
    keys = ("input", "length", "seed", "confidence", "score", "recovery")
    annotations = {key: row[key] for key in keys if row[key]}
    return fasta_record(row["id"], row["sequence"], **annotations)
