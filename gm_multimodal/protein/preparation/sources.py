"""The structures that are asked for: a file, a folder, a pattern, or a list of database ids."""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.structure_file import SUFFIXES, is_structure_name

_PDB_ID: Final = re.compile(r"(?P<id>[1-9][A-Za-z0-9]{3})(_(?P<chain>\w+))?")
_ALPHAFOLD_ID: Final = re.compile(
    r"(AF-)?(?P<id>[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9]([A-Z][A-Z0-9]{2}[0-9]){1,2})(-F1)?(-model_v\d+)?"
)
_KINDS: Final = f"{', '.join(SUFFIXES)} (+ .gz)"


@final
@dataclass(frozen=True)
class Source:
    """One structure file of a dataset.

    Attributes:
        path: where it is.
        name: how the dataset calls it: its place below what was asked for, with / between folders.
        chain: the only chain that is asked for; None for those that the settings choose.
    """

    path: Path
    name: str
    chain: str | None = None


@final
@dataclass(frozen=True)
class DatabaseEntry:
    """One line of a list of ids.

    Attributes:
        id: of the PDB (four letters, small) or of UniProt, for the AlphaFold database.
        is_predicted: whether it stands in the AlphaFold database.
        chain: the only chain that is asked for, if any.
    """

    id: str
    is_predicted: bool
    chain: str | None = None

    def __post_init__(self) -> None:
        match = (_ALPHAFOLD_ID if self.is_predicted else _PDB_ID).fullmatch(self.id)
        if not match or match["id"] != self.id:  # it becomes part of an address and of a file name
            raise UserInputError(f"{self.id[:40]!r} is not an id: give 1abc of the PDB, or P12345 of UniProt.")


def find(structures: str) -> list[Source] | list[DatabaseEntry]:
    """Return the files of a folder (with its subfolders), of a glob pattern, one file, or the ids that a file lists.

    The order is that of the names, whatever the file system says.

    Raises:
        UserInputError: Nothing is there, or a line of the list is not an id.
    """
    place = Path(structures)
    if place.is_dir():
        # hidden files are leftovers of editors and of macOS (._1abc.pdb)
        found = [Path(folder, name) for folder, _, names in os.walk(place) for name in names if name[0] != "."]
        sources = _sources(found, place)
        if not sources:
            raise UserInputError(f"structures={structures} has no structure file: their names end in {_KINDS}.")
        return sources
    if place.is_file():
        return [Source(place, place.name)] if is_structure_name(place.name) else _read_ids(place)
    if not glob.has_magic(structures):
        raise UserInputError(
            f"structures={structures} does not exist: give a folder, a pattern, a file or a list of ids."
        )
    found = [Path(name) for name in glob.glob(structures, recursive=True) if os.path.isfile(name)]
    folders = {str(path.parent) for path in found}
    sources = _sources(found, Path(os.path.commonpath(folders)) if folders else place)
    if not sources:
        raise UserInputError(f"structures={structures} matches no structure file: their names end in {_KINDS}.")
    return sources


def _sources(found: Sequence[Path], root: Path) -> list[Source]:
    kept = [path for path in found if is_structure_name(path.name)]
    return sorted((Source(path, path.relative_to(root).as_posix()) for path in kept), key=lambda source: source.name)


def _read_ids(path: Path) -> list[DatabaseEntry]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise UserInputError(f"structures={path} is neither a structure file ({_KINDS}) nor a list of ids.") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            entries.append(_entry(path, number, text))
    if not entries:
        raise UserInputError(f"structures={path} lists no id: write one PDB or AlphaFold database id per line.")
    return list(dict.fromkeys(sorted(entries, key=lambda entry: (entry.id, entry.chain or ""))))


def _entry(path: Path, number: int, text: str) -> DatabaseEntry:
    if match := _PDB_ID.fullmatch(text):
        return DatabaseEntry(match["id"].lower(), False, match["chain"])
    if match := _ALPHAFOLD_ID.fullmatch(text):
        return DatabaseEntry(match["id"], True)
    raise UserInputError(
        f"structures={path}, line {number}: {text[:40]!r} is not an id: write 1abc or 1abc_A for the PDB, P12345 or "
        "AF-P12345-F1 for the AlphaFold database."
    )
