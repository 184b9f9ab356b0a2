"""FASTA files: sequences as people write them, and the letters beyond the twenty."""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import TooLarge, UserInputError
from gm_multimodal.printable import printable
from gm_multimodal.protein.residues import MASK, RESIDUES, encode
from gm_multimodal.reading import MAX_BYTES, read_bytes

_STAND_INS: Final = {"U": "C", "O": "K", "B": "D", "Z": "E", "J": "L"}
"""What the field takes for selenocysteine, pyrrolysine, Asx, Glx and Leu-or-Ile."""

_UNKNOWN: Final = "X"
_NUCLEOTIDES: Final = set("ACGTUN")
_MOST_RECORDS: Final = 100_000
_LONGEST_NAME: Final = 1000  # letters; names go into every row of a table
_MOST_LETTERS: Final = 100_000  # of a record, which is one chain; the longest known protein has 45,000 residues
_LONG_FOR_CHANCE: Final = 12  # letters of the nucleotides alone; (5/20)^12 is 6e-8


@final
@dataclass(frozen=True)
class Record:
    """One sequence.

    Attributes:
        name: first word of its header, with escapes for what cannot be printed.
        tokens: [L] int64; 20 where the letter was X.
        remarks: what was changed, one line each.
    """

    name: str
    tokens: npt.NDArray[np.int64]
    remarks: tuple[str, ...]


def read_fasta(path: str | Path, *, max_bytes: int = MAX_BYTES) -> list[Record]:
    """Read the records of a FASTA file: capital or small letters, U, O, B, Z and J replaced, X unknown.

    A gzipped file is unpacked; it may have `max_bytes` then.

    Raises:
        UserInputError: The file is missing or too large, holds no records, or a record is empty, of nucleotides, or
            has another character (named with its place).
    """
    path = Path(path)
    try:
        text = read_bytes(path, max_bytes).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError as error:
        raise UserInputError(f"FASTA file {path} does not exist.") from error
    except TooLarge as error:
        raise UserInputError(f"FASTA file {path} {error.reason}: give a larger max_megabytes") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserInputError(f"FASTA file {path} cannot be read: {error}.") from error
    if not text.strip():
        raise UserInputError(f"FASTA file {path} is empty: write a line `>name` and the sequence below it.")
    if text.count("\n>") >= _MOST_RECORDS:
        raise UserInputError(f"FASTA file {path} has more than {_MOST_RECORDS} records: divide it.")
    before, *records = re.split(r"^>", text, flags=re.MULTILINE)
    if before.strip() or not records:
        raise UserInputError(
            f"{path} is not a FASTA file: its first line is not `>name` but {text.lstrip()[:40].split()[0]!r}."
        )
    return [_record(path, number, *record.partition("\n")[::2]) for number, record in enumerate(records, start=1)]


def _record(path: Path, number: int, header: str, body: str) -> Record:
    name = printable((header.split() or [f"record{number}"])[0])
    if len(name) > _LONGEST_NAME:
        raise UserInputError(
            f"{path}: record {number} has a name of {len(name):,} letters ({name[:20]}...): give it one of at most "
            f"{_LONGEST_NAME:,}, with a blank behind it."
        )
    if len(body) > 2 * _MOST_LETTERS:  # line ends and blanks included
        raise UserInputError(f"{path}: record {name} has more than {_MOST_LETTERS} letters; no protein is that long.")
    sequence = "".join(body.split()).upper().removesuffix("*")
    if not sequence:
        raise UserInputError(f"{path}: record {name} has no sequence.")
    if len(sequence) >= _LONG_FOR_CHANCE and set(sequence) <= _NUCLEOTIDES:
        raise UserInputError(f"{path}: record {name} has nothing but letters of DNA or RNA; give a protein sequence.")
    remarks = []
    for letter, stand_in in _STAND_INS.items():
        if letter in sequence:
            remarks.append(f"{name}: {sequence.count(letter)} {letter} taken for {stand_in}")
            sequence = sequence.replace(letter, stand_in)
    unknown = np.array([letter == _UNKNOWN for letter in sequence])
    if unknown.any():
        remarks.append(f"{name}: {unknown.sum()} X left to the model")
    odd = next((k for k, letter in enumerate(sequence) if letter not in RESIDUES + _UNKNOWN), None)
    if odd is not None:
        raise UserInputError(
            f"{path}: letter {odd + 1} of record {name} is {sequence[odd]!r}; choose from {RESIDUES} and "
            f"{', '.join([*_STAND_INS, _UNKNOWN])}."
        )
    tokens = encode(sequence.replace(_UNKNOWN, "A"))
    return Record(name, np.where(unknown, MASK, tokens), tuple(remarks))
