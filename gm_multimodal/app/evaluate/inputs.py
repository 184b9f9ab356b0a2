"""The structures of an evaluation: any file, folder or pattern; what cannot be read is set aside with its reason."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gm_multimodal.app.folders.csv_table import read_table
from gm_multimodal.errors import StructureError, UserInputError
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.reading_notes import Note, notes_of
from gm_multimodal.protein.structure import read_protein
from gm_multimodal.protein.structure_file import SUFFIXES, is_structure_name

_CONFIDENCE_REMARK = b"B-FACTOR = 100 X MODEL PROBABILITY"
_BYTES_A_PAIR = 100  # of residues, while hydrogen bonds and contacts are looked for
_SPREAD = 10  # how many times as large as a file its figures may be for a while
_DIGITS = 16  # of a digest: no two of a million files are likely to share them


@dataclass(frozen=True)
class Rejected:
    """A file that could not be read, and why."""

    file: str
    reason: str


def structure_files(key: str, pattern: str) -> list[Path]:
    """Return the structure files of a folder (not of folders within it), of a pattern such as `runs/*/*.pdb`, or one.

    Args:
        key: option that the pattern was given with, for the message.
        pattern: folder, file, or pattern with `*`, `?`, `[...]` or `**`.

    Raises:
        UserInputError: There is none.
    """
    path = Path(pattern)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file() and is_structure_name(file.name)]
        what = f"folder {pattern} holds no structure file"
    elif path.exists():
        return [path]
    else:
        files = [Path(found) for found in sorted(glob.glob(pattern, recursive=True)) if Path(found).is_file()]
        what = f"{pattern} matches no file"
    if not files:
        raise UserInputError(
            f"{key}: {what}: give a folder with files that end in {', '.join(SUFFIXES)} (+ .gz), one such file, or a "
            f"pattern in quotes such as {key}='runs/*/*.pdb'."
        )
    return files


@dataclass(frozen=True)
class Inputs:
    """What some files hold.

    Attributes:
        structures: every chain that could be read.
        rejected: the files that could not.
        notes: what was left out of the others, or decided while they were read, with the file's name.
    """

    structures: list[Structure]
    rejected: list[Rejected]
    notes: list[tuple[str, Note]]


def read_structures(files: Sequence[Path], max_bytes: int) -> Inputs:
    """Read every chain of the files of at most `max_bytes` bytes, unpacked; the reason of each that cannot be read.

    A structure is named after its file, with as many folders as the names need to differ, and after its chain where
    the file has several.
    """
    structures: list[Structure] = []
    rejected: list[Rejected] = []
    notes: list[tuple[str, Note]] = []
    confidences: dict[Path, Mapping[str, float]] = {}
    names = _names(files)
    for file in files:
        try:
            found = read_protein(file, max_bytes=max_bytes)
            chains = [chain.backbone for chain in found.chains if len(chain)]
            _check_lengths(file, chains, max_bytes)
            content = file.read_bytes()
        except (UserInputError, OSError) as error:
            rejected.append(Rejected(str(file), " ".join(str(error).split())))
            continue
        notes += [(names[file], note) for note in notes_of(found)]
        known = confidences.setdefault(file.parent, _confidences(file.parent))
        for chain in chains:
            chain_id = chain.names[0].chain
            digest = hashlib.sha256(content + chain_id.encode()).hexdigest()[:_DIGITS]
            name = names[file] if len(chains) == 1 else f"{names[file]}_{chain_id}"
            structures.append(
                Structure(
                    name,
                    str(file),
                    chain_id,
                    digest,
                    chain,
                    known.get(file.name) if len(chains) == 1 else None,
                    _residue_confidence(content, len(chain)) if len(chains) == 1 else None,
                )
            )
    return Inputs(structures, rejected, notes)


def _check_lengths(file: Path, chains: Sequence[Backbone], max_bytes: int) -> None:
    """Raise where pairs of residues, of which figures are made, would take much more memory than the file may have."""
    longest = max(map(len, chains))
    if _BYTES_A_PAIR * longest**2 > _SPREAD * max_bytes:
        raise StructureError(file, f"has a chain of {longest} residues, too long", "give a larger max_megabytes")


def _residue_confidence(content: bytes, length: int) -> npt.NDArray[np.floating] | None:
    """Return the confidence that `gm-multimodal design` writes as B-factors into PDB files, [L] in [0, 1]."""
    if _CONFIDENCE_REMARK not in content:
        return None
    lines = [line for line in content.splitlines() if line.startswith(b"ATOM") and line[12:16].strip() == b"CA"]
    try:
        values = np.array([float(line[60:66]) for line in lines]) / 100.0
    except ValueError:
        return None
    return values if len(values) == length else None


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each file: its own without ending, or where others have the same, with its place and ending."""
    stems = {file: _without_ending(file.name) for file in files}
    count = Counter(stems.values())
    common = os.path.commonpath([file.absolute().parent for file in files])
    return {
        file: stem if count[stem] == 1 else Path(os.path.relpath(file, common)).as_posix()
        for file, stem in stems.items()
    }


def _without_ending(name: str) -> str:
    stem = name.removesuffix(".gz")
    return Path(stem).stem if is_structure_name(stem) else stem


def _confidences(folder: Path) -> dict[str, float]:
    """Return the mean confidence of each file that a designs.csv in this folder lists."""
    table = folder / "designs.csv"
    if not table.is_file():
        return {}
    found = {}
    try:
        _, rows = read_table(table)
    except UserInputError:
        return {}  # another program's file
    for row in rows:
        try:
            found[row["file"]] = float(row["confidence"])
        except (KeyError, ValueError):
            continue  # another program's table
    return found
