"""Contigs: which residues of an input stand where in a design, and how many new ones between them.

10-40,A163-181,10-40      10 to 40 new residues, 19 of chain A, 10 to 40 new ones
A10-25/30/A40/0 B         `/` for `,`; exactly 30; one residue; a new chain; the whole of chain B
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np

from gm_multimodal.errors import UserInputError
from gm_multimodal.noise import Noise
from gm_multimodal.protein.input_structure import InputStructure, selection_name
from gm_multimodal.protein.residues import MOST_RESIDUES

_SEPARATORS: Final = re.compile(r"[,/\s]+")
_FREE: Final = re.compile(r"(\d+)(?:-(\d+))?")
_BREAK: Final = "0"


@final
@dataclass(frozen=True)
class Free:
    """New residues: `shortest` to `longest` of them."""

    shortest: int
    longest: int

    def __str__(self) -> str:
        """Return it as it is written."""
        return str(self.shortest) if self.shortest == self.longest else f"{self.shortest}-{self.longest}"


@final
@dataclass(frozen=True)
class Taken:
    """Residues of the input, by their number in it, and the text that named them."""

    residues: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        """Return it as it was written."""
        return self.text


Piece = Free | Taken


@final
@dataclass(frozen=True)
class Contig:
    """What a design consists of.

    Attributes:
        chains: the pieces of every chain.
        shortest: the least number of residues of a design, all chains together.
        longest: the greatest number.
    """

    chains: tuple[tuple[Piece, ...], ...]
    shortest: int
    longest: int

    def taken(self) -> list[int]:
        """Return the residues of the input that are used, in the order of the design."""
        return [k for piece in self._pieces() if isinstance(piece, Taken) for k in piece.residues]

    def draw(self, noise: Noise) -> list[list[tuple[int, ...] | int]]:
        """Draw the lengths of the new pieces, uniformly among those that give an allowed total.

        Args:
            noise: a stream of one row.

        Returns:
            Of every chain its pieces: how many new residues, or which residues of the input.
        """
        free = [piece for piece in self._pieces() if isinstance(piece, Free)]
        lengths = iter(_draw_lengths(free, self.shortest - len(self.taken()), self.longest - len(self.taken()), noise))
        return [[p.residues if isinstance(p, Taken) else next(lengths) for p in chain] for chain in self.chains]

    def _pieces(self) -> Iterator[Piece]:
        return (piece for chain in self.chains for piece in chain)


def parse_contig(text: str, structure: InputStructure, length: tuple[int, int] | None = None) -> Contig:
    """Read a contig.

    Args:
        text: pieces between `,`, `/` or blanks; 0 begins a new chain; brackets around it all are ignored.
        structure: whose residues it names.
        length: least and greatest total number of residues; None leaves it to the pieces.

    Raises:
        UserInputError: A piece that cannot be read, a residue that is absent or used twice, or no possible length.
    """
    chains: list[list[Piece]] = [[]]
    for part in filter(None, _SEPARATORS.split(text.strip().strip("[]'\""))):
        if part == _BREAK:
            chains.append([])
        else:
            chains[-1].append(_piece(part, structure))
    if not all(chains):
        raise UserInputError(f"contig={text} has a chain without residues: put 0 (a chain break) between chains only.")
    pieces = [piece for chain in chains for piece in chain]
    taken = [k for piece in pieces if isinstance(piece, Taken) for k in piece.residues]
    if not taken:
        raise UserInputError(
            f"contig={text} takes no residue of {structure.path.name}: name some, such as 10-40,A10-25,10-40; present "
            f"are {structure.ranges()}."
        )
    if len(set(taken)) < len(taken):
        twice = next(k for k in taken if taken.count(k) > 1)
        raise UserInputError(f"contig={text} takes residue {structure.ids[twice]} twice: name every residue once.")
    return _with_total(text, chains, len(taken), length)


def _with_total(text: str, chains: list[list[Piece]], taken: int, length: tuple[int, int] | None) -> Contig:
    free = [piece for chain in chains for piece in chain if isinstance(piece, Free)]
    shortest, longest = taken + sum(p.shortest for p in free), taken + sum(p.longest for p in free)
    if length is not None:
        wanted = str(length[0]) if length[0] == length[1] else f"{length[0]}-{length[1]}"
        if taken > length[1]:
            raise UserInputError(f"length={wanted} is less than the {taken} residues that contig={text} takes.")
        if max(shortest, length[0]) > min(longest, length[1]):
            raise UserInputError(
                f"length={wanted} cannot be met: contig={text} has {shortest} to {longest} residues, {taken} of them "
                "from the input."
            )
        shortest, longest = max(shortest, length[0]), min(longest, length[1])
    if longest > MOST_RESIDUES:
        raise UserInputError(f"contig={text} has up to {longest:,} residues: at most {MOST_RESIDUES:,} will do.")
    return Contig(tuple(map(tuple, chains)), shortest, longest)


def _piece(part: str, structure: InputStructure) -> Piece:
    if match := _FREE.fullmatch(part):
        # Python refuses to read a number of thousands of digits.
        shortest, longest = (int(number[:9]) for number in (match[1], match[2] or match[1]))
        if max(len(match[1]), len(match[2] or "")) > 9 or longest > MOST_RESIDUES:
            raise UserInputError(f"{part:.40} is more than {MOST_RESIDUES:,} new residues: give a smaller number.")
        if longest < shortest or longest == 0:
            raise UserInputError(f"{part} is not a number of new residues: write the smaller one first, as in 10-40.")
        return Free(shortest, longest)
    residues = structure.select(part)
    if any(char.isdigit() for char in part):  # of a whole chain, what is present is meant
        is_bonded = structure.backbone.is_bonded
        for a, b in pairwise(residues):
            if not is_bonded[a] and structure.ids[b].number > structure.ids[a].number + 1:
                absent = selection_name([structure.ids[a], structure.ids[b]])
                raise UserInputError(
                    f"{part}: {structure.path.name} has no residues between {structure.ids[a]} and {structure.ids[b]} "
                    f"(a gap within {absent}); it has {structure.ranges()}."
                )
    return Taken(tuple(residues), part)


def _draw_lengths(free: list[Free], shortest: int, longest: int, noise: Noise) -> list[int]:
    """Draw lengths uniformly among all whose sum lies in [shortest, longest], by counting how many there are."""
    # ways[k][s]: how often pieces k, k + 1, ... have s residues together; exact integers, for they grow fast.
    ways = [[1] + [0] * longest]
    for piece in reversed(free):
        after = ways[0]
        ways.insert(
            0,
            [sum(after[s - n] for n in range(piece.shortest, min(piece.longest, s) + 1)) for s in range(longest + 1)],
        )
    u = noise.uniform((1, 1 + len(free))).double().tolist()[0]
    total = shortest + _pick(ways[0][shortest : longest + 1], u[0])
    lengths = []
    for piece, after, draw in zip(free, ways[1:], u[1:], strict=True):
        choices = [after[total - n] for n in range(piece.shortest, min(piece.longest, total) + 1)]
        lengths.append(piece.shortest + _pick(choices, draw))
        total -= lengths[-1]
    return lengths


def _pick(weights: list[int], u: float) -> int:
    """Return k with probability weights[k] / sum, by inversion at u in [0, 1)."""
    total = sum(weights)
    shares = np.cumsum([weight / total for weight in weights])
    last = max(k for k, weight in enumerate(weights) if weight)
    return min(int(np.searchsorted(shares, u, side="right")), last)
