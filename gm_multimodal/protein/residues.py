"""The twenty residue types: one-letter codes, three-letter names and the tokens of the network."""

from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import UserInputError

RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"
"""One-letter codes; the position in this string is the token."""

MASK: Final = 20
"""Token of a residue whose type is not known yet."""

# A literal table, because importing biotite.sequence for these names costs 0.3 s of every design run (a test compares
# the two).
THREE_LETTER: Final[tuple[str, ...]] = tuple(
    "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR".split()
)
"""Three-letter names in token order."""

_NO_TOKEN: Final = -1
_TOKEN_OF_BYTE: Final = np.full(256, _NO_TOKEN, dtype=np.int64)
_TOKEN_OF_BYTE[np.frombuffer(RESIDUES.encode(), dtype=np.uint8)] = np.arange(len(RESIDUES))
_LETTERS: Final = np.array([*RESIDUES, "X"])

MOST_RESIDUES: Final = 100_000
"""Of a protein that is designed or read as a sequence; the longest chain known has 45,000."""


def encode(sequence: str) -> npt.NDArray[np.int64]:
    """Return the tokens, [L] in 0..19, of a sequence in capital one-letter codes.

    Raises:
        UserInputError: A letter is none of the twenty; the message names it and its position, counted from 1.
    """
    tokens = _TOKEN_OF_BYTE[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]
    unknown = np.flatnonzero(tokens == _NO_TOKEN)
    if len(unknown):
        position = int(unknown[0])
        raise UserInputError(
            f"residue {position + 1} of the sequence is {sequence[position]!r}; the twenty letters are {RESIDUES}"
        )
    return tokens


def decode(tokens: npt.ArrayLike) -> str:
    """Return the one-letter codes of tokens [L] in 0..20; a masked residue reads X."""
    return "".join(_LETTERS[np.asarray(tokens, dtype=np.int64)])
