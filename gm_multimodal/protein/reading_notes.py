"""What a reader left out of a structure file or decided itself: a note for each kind, whoever reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from gm_multimodal.protein.structure import DUPLICATES, NUCLEOTIDES, Chain, ProteinFile

MODELS: Final = "models beyond the first"
NAMES: Final = "chains without a name of their own"
RESIDUES: Final = "residues left out"
MIRRORED: Final = "mirror image of L-amino acids"

KINDS: Final = (MODELS, NAMES, RESIDUES)
"""Kinds that leave the rest of a file as it is."""

_SHOWN: Final = 6  # residues that a note names
_SHOWN_FILES: Final = 3


@final
@dataclass(frozen=True)
class Note:
    """Something that a user should know of a file and that stops nothing.

    Attributes:
        kind: the same words for the same kind.
        number: how many there are.
        text: of what the file has, as in "has 2 models: the first is read".
    """

    kind: str
    number: int
    text: str


def notes_of(file: ProteinFile) -> list[Note]:
    """Return what to say of a file, at most one note of each kind."""
    found = []
    if file.models > 1:
        found.append(Note(MODELS, file.models - 1, f"has {file.models} models: the first is read"))
    proteins = [chain for chain in file.chains if len(chain)]
    if renamed := sum(chain.id != chain.name_in_file for chain in proteins):
        found.append(Note(NAMES, renamed, _names(proteins)))
    left_out = {str(residue): why for chain in file.chains for residue, why in chain.left_out.items()}
    if left_out:
        shown = ", ".join(f"{residue} ({why})" for residue, why in list(left_out.items())[:_SHOWN])
        more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        found.append(Note(RESIDUES, len(left_out), f"is read without {shown}{more}"))
    for kind, what in ((NUCLEOTIDES, "is read without"), (DUPLICATES, "is read with the first of")):
        counts = {chain.id: chain.faults[kind] for chain in file.chains if kind in chain.faults}
        if counts:
            of_chains = ", ".join(f"{number} in chain {name}" for name, number in counts.items())
            found.append(Note(kind, sum(counts.values()), f"{what} {kind}: {of_chains}"))
    if mirrored := [chain.id for chain in proteins if chain.is_mirrored]:
        found.append(
            Note(MIRRORED, len(mirrored), f"shows a mirror image, D-amino acids, in chain {', '.join(mirrored)}")
        )
    return found


def told(notes: Iterable[tuple[str, Note]]) -> list[str]:
    """Return a line for each kind of the notes of several files, each with the name of its file."""
    by_kind: dict[str, list[str]] = {}
    for name, note in notes:
        by_kind.setdefault(note.kind, []).append(f"{name} {note.text}")
    lines = []
    for kind, texts in by_kind.items():
        more = f"; and {len(texts) - _SHOWN_FILES} more files with {kind}" if len(texts) > _SHOWN_FILES else ""
        lines.append("; ".join(texts[:_SHOWN_FILES]) + more)
    return lines


def _names(proteins: Sequence[Chain]) -> str:
    by_name: dict[str, list[str]] = {}
    for chain in proteins:
        by_name.setdefault(chain.name_in_file, []).append(chain.id)
    return "; ".join(_named(name, ids) for name, ids in by_name.items() if ids != [name])


def _named(name: str, ids: Sequence[str]) -> str:
    called = f"{', '.join(ids[:-1])} and {ids[-1]}" if len(ids) > 1 else ids[0]
    if not name:
        return (
            f"has {len(ids)} molecules without a chain name, called {called}"
            if len(ids) > 1
            else (f"has a chain without a name, called {called}")
        )
    return f"has {len(ids)} molecules in chain {name}, called {called}"
