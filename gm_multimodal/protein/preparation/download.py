"""Structures from the PDB and the AlphaFold database, kept in a folder; what is there is not fetched again."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.protein.preparation.sources import DatabaseEntry, Source

_ABSENT: Final = ".absent"


def local_source(entry: DatabaseEntry, folder: Path) -> Source | None:
    """Return the file of an entry if the folder has it, or knows that the database does not."""
    name = _name(entry)
    if (folder / name).is_file() or is_absent(entry, folder):
        return Source(folder / name, name, entry.chain)
    return None


def is_absent(entry: DatabaseEntry, folder: Path) -> bool:
    """Whether the database was asked for the entry and does not have it."""
    return (folder / (_name(entry) + _ABSENT)).is_file()


def missing(entries: Iterable[DatabaseEntry], folder: Path) -> list[DatabaseEntry]:
    """Return the entries that must be fetched."""
    return [entry for entry in entries if local_source(entry, folder) is None]


def fetch(entry: DatabaseEntry, folder: Path) -> None:
    """Fetch an entry into the folder as BinaryCIF; an entry that the database lacks leaves a mark.

    Raises:
        UserInputError: The database does not answer.
    """
    import requests
    from biotite.database import RequestError, afdb, rcsb

    database = afdb if entry.is_predicted else rcsb
    path = folder / _name(entry)
    try:
        content = database.fetch(entry.id, "bcif")
    except RequestError:
        write_atomically(path.with_name(path.name + _ABSENT), "")
        return
    except requests.exceptions.RequestException as error:
        kind = "the AlphaFold database" if entry.is_predicted else "the PDB (RCSB)"
        raise UserInputError(
            f"{kind} cannot be reached for {entry.id} ({type(error).__name__}): try again when this machine is online, "
            "or give a folder of files as structures=FOLDER."
        ) from error
    assert isinstance(content, io.BytesIO)
    write_atomically(path, content.getvalue())


def _name(entry: DatabaseEntry) -> str:
    return f"AF-{entry.id}-F1.bcif" if entry.is_predicted else f"{entry.id}.bcif"
