"""Structures from the PDB and the AlphaFold database, kept in a folder; what is there is not fetched again.

A file is kept once it is known to be BinaryCIF of the entry that was asked for. That a database lacks an entry is
remembered if it said so itself; every other failure is a reason that ends with the run, and the next one asks again.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import requests

from gm_multimodal.errors import TooLarge
from gm_multimodal.files import write_atomically
from gm_multimodal.protein.cif import parse_binary_cif
from gm_multimodal.protein.preparation.sources import DatabaseEntry, Source
from gm_multimodal.protein.preparation.web import Absent, Patience, Unanswered, ask

NOT_FETCHED: Final = "not fetched, the next run tries again"
"""How the reason of an entry begins that could not be fetched now."""

_ABSENT: Final = ".absent"
_MARK: Final = b"the database does not have it\n"  # older marks are empty and were also left by passing failures
_MOST_IN_A_ROW: Final = 5  # failures of a database, after which it is not asked for more


@final
@dataclass(frozen=True)
class Database:
    """Where entries come from.

    Attributes:
        name: for messages.
        url: address of an entry, with {id} in place of its id.
        origins: scheme and host of that address and of all that it may refer to.
        has_index: whether the answer is JSON that names the file rather than the file.
    """

    name: str
    url: str
    origins: tuple[str, ...]
    has_index: bool


PDB: Final = Database("the PDB", "https://models.rcsb.org/{id}.bcif", ("https://models.rcsb.org",), False)
ALPHAFOLD: Final = Database(
    "the AlphaFold database",
    "https://alphafold.ebi.ac.uk/api/prediction/{id}",
    ("https://alphafold.ebi.ac.uk", "https://alphafold.com", "https://www.alphafold.com"),
    True,
)


def file_name(entry: DatabaseEntry) -> str:
    """Return the name of the file of an entry in the folder."""
    return f"AF-{entry.id}-F1.bcif" if entry.is_predicted else f"{entry.id}.bcif"


def local_source(entry: DatabaseEntry, folder: Path) -> Source | None:
    """Return the file of an entry if the folder has it, or knows that the database does not."""
    name = file_name(entry)
    if (folder / name).is_file() or is_absent(entry, folder):
        return Source(folder / name, name, entry.chain)
    return None


def is_absent(entry: DatabaseEntry, folder: Path) -> bool:
    """Whether the database was asked for the entry and does not have it."""
    mark = _mark(entry, folder)
    return mark.is_file() and mark.stat().st_size == len(_MARK) and mark.read_bytes() == _MARK


def missing(entries: Iterable[DatabaseEntry], folder: Path) -> list[DatabaseEntry]:
    """Return the entries that must be fetched."""
    return [entry for entry in entries if local_source(entry, folder) is None]


def fetch_all(
    entries: Iterable[DatabaseEntry],
    folder: Path,
    patience: Patience,
    *,
    pdb: Database = PDB,
    alphafold: Database = ALPHAFOLD,
) -> dict[DatabaseEntry, str]:
    """Fetch entries into the folder as BinaryCIF; one that its database lacks leaves a mark.

    A database that failed five times in a row is not asked any more: each failure has taken minutes.

    Returns:
        Why there is neither file nor mark, for the entries of which that is so.
    """
    failures: dict[DatabaseEntry, str] = {}
    reasons: dict[str, str] = {}
    in_a_row: Counter[str] = Counter()
    with requests.Session() as session:
        for entry in entries:
            name, database = file_name(entry), alphafold if entry.is_predicted else pdb
            # another line may have asked for another chain of the same entry
            if name not in reasons and local_source(entry, folder) is None:
                if in_a_row[database.name] >= _MOST_IN_A_ROW:
                    reasons[name] = f"{NOT_FETCHED}: {database.name} had failed {_MOST_IN_A_ROW} times in a row"
                else:
                    in_a_row[database.name] += 1
                    try:
                        _fetch(session, entry, folder, database, patience)
                        in_a_row[database.name] = 0
                    except Unanswered as error:
                        reasons[name] = f"{NOT_FETCHED}: {database.name}: {error}"
                    except TooLarge as error:
                        reasons[name] = f"not fetched: it {error.reason}"
                        in_a_row[database.name] = 0
            if name in reasons:
                failures[entry] = reasons[name]
    return failures


def _fetch(
    session: requests.Session, entry: DatabaseEntry, folder: Path, database: Database, patience: Patience
) -> None:
    url = database.url.format(id=entry.id)
    try:
        if database.has_index:
            url = ask(session, url, database.origins, patience, lambda content: _file_url(content, entry))
        content = ask(session, url, database.origins, patience, lambda content: _checked(content, entry, patience))
    except Absent:
        write_atomically(_mark(entry, folder), _MARK)
    else:
        write_atomically(folder / file_name(entry), content)


def _file_url(content: bytes, entry: DatabaseEntry) -> str:
    """Return the address of the file of an entry from the AlphaFold database's description of its models.

    Raises:
        ValueError: It is not such a description, or does not name that file.
    """
    try:
        models = json.loads(content)
        urls = [str(model["bcifUrl"]) for model in models]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise ValueError("the answer is not its list of models") from None
    name = re.compile(rf"https?://[\w.:-]+/([\w-]+/)*AF-{entry.id}-F1-model_v\d+\.bcif", re.ASCII)
    found = next((url for url in urls if name.fullmatch(url)), None)
    if found is None:
        raise ValueError("its list of models lacks the entry")
    return found


def _checked(content: bytes, entry: DatabaseEntry, patience: Patience) -> bytes:
    """Return the content if it is BinaryCIF with atoms of the entry.

    Raises:
        ValueError: It is something else.
    """
    if content.lstrip()[:1] == b"<":
        raise ValueError("the answer is a web page or XML")
    wanted = file_name(entry).removesuffix(".bcif").lower()
    try:
        file = parse_binary_cif(content, patience.max_bytes)
        names = [name.lower() for name in file]
        atoms = [block["atom_site"] for block in file.values() if "atom_site" in block]
        rows = [len(category[f"Cartn_{axis}"].as_array(float)) for category in atoms[:1] for axis in "xyz"]
    except Exception as error:  # a malformed file can break a parser anywhere
        raise ValueError(f"the answer is not BinaryCIF ({type(error).__name__})") from error
    if wanted not in names:
        raise ValueError(f"the answer holds another entry ({', '.join(names)[:20]!r})")
    if not any(rows):
        raise ValueError("the answer has no atoms")
    return content


def _mark(entry: DatabaseEntry, folder: Path) -> Path:
    return folder / (file_name(entry) + _ABSENT)
