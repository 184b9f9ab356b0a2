"""A structure that somebody hands in: its residues in file order, and how a user names some of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.backbone import Backbone, ResidueId, joined
from gm_multimodal.protein.reading_notes import Note, notes_of
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.protein.structure import read_protein
from gm_multimodal.reading import MAX_BYTES

# A chain of letters, or any name before a colon; a number, perhaps negative; an insertion code.
_SELECTION: Final = re.compile(
    r"(?:(?P<named>[^:]+):|(?P<chain>[A-Za-z]+))"
    r"(?:(?P<first>-?\d{1,9})(?P<first_code>[A-Za-z]?)"
    r"(?:-(?P<again>[A-Za-z]+(?=\d))?(?P<last>-?\d{1,9})(?P<last_code>[A-Za-z]?))?)?"
)


@dataclass(frozen=True, eq=False)
class InputStructure:
    """A file as a user hands it in.

    Attributes:
        path: of the file.
        backbone: its residues with a complete one, chain after chain.
        side_chains: what residues 0 ... L - 1 have beyond it.
        notes: what was left out of the file, or decided while it was read.
    """

    path: Path
    backbone: Backbone
    side_chains: Mapping[int, SideChain] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.backbone)

    @property
    def ids(self) -> tuple[ResidueId, ...]:
        """Names of the residues, L of them."""
        return self.backbone.names

    def ranges(self) -> str:
        """Return the residues there are, as `A 3-40, 45-80; B 1-20`."""
        texts, is_bonded = [], self.backbone.is_bonded
        for part in self.backbone.chain_slices():
            members = np.arange(part.start, part.stop)
            cuts = np.flatnonzero(~is_bonded[members[:-1]]) + 1
            runs = [self._run(run) for run in np.split(members, cuts)]
            texts.append(f"{self.ids[part.start].chain} {', '.join(runs)}")
        return "; ".join(texts)

    def select(self, text: str) -> list[int]:
        """Return the residues 0 ... L - 1 that `A10-25`, `A40`, `A52B` or `A` (a whole chain) names, in file order.

        Raises:
            UserInputError: No selection, or a chain or residue that is not there (with those that are).
        """
        match = _SELECTION.fullmatch(text)
        if match is None:
            raise UserInputError(
                f"{text!r} names no residues: write A10-25, A40, A52B (an insertion code), A (a chain) or, if the name "
                "of the chain is not of letters, 1:10-25. "
                f"{self.path.name} has {self.ranges()}."
            )
        chain = match["named"] or match["chain"]
        members = [number for number, item in enumerate(self.ids) if item.chain == chain]
        if not members:
            raise UserInputError(f"{text}: {self.path.name} has no chain {chain}; it has {self.ranges()}.")
        if match["again"] not in (None, chain):
            raise UserInputError(f"{text} begins in chain {chain} and ends in chain {match['again']}: give two ranges.")
        if match["first"] is None:
            return members
        first = self._find(text, chain, match["first"], match["first_code"])
        last = self._find(text, chain, match["last"], match["last_code"]) if match["last"] else first
        if last < first:
            raise UserInputError(f"{text} ends before it begins: give the lower residue first.")
        return list(range(first, last + 1))

    def select_all(self, text: str) -> list[int]:
        """Return the residues of several selections between commas, such as `A10-25,A40`, in the order of the file."""
        parts = [part for part in re.split(r"[,/\s]+", text) if part]
        return sorted({number for part in parts for number in self.select(part)})

    def _find(self, text: str, chain: str, number: str, code: str) -> int:
        wanted = ResidueId(chain, int(number), code.upper() if code else "")
        for place, item in enumerate(self.ids):
            if item == wanted or (code and item == ResidueId(chain, int(number), code)):
                return place
        raise UserInputError(f"{text}: {self.path.name} has no residue {wanted}; it has {self.ranges()}.")

    def _run(self, members: npt.NDArray[np.int64]) -> str:
        first, last = (str(self.ids[k]).removeprefix(self.ids[k].chain) for k in (members[0], members[-1]))
        return first if len(members) == 1 else f"{first}-{last}"


def read_input(path: str | Path, *, unknown: bool = False, max_bytes: int = MAX_BYTES) -> InputStructure:
    """Read a structure file of at most `max_bytes` bytes, unpacked, if asked with residues of an unknown type (UNK).

    Raises:
        UserInputError: It cannot be read, or holds no protein backbone.
    """
    file = read_protein(path, side_chains=True, unknown=unknown, max_bytes=max_bytes)
    backbone = joined([chain.backbone for chain in file.chains if len(chain)])
    side_chains = dict(enumerate(item for chain in file.chains for item in chain.side_chains))
    return InputStructure(Path(path), backbone, side_chains, tuple(notes_of(file)))


def selection_name(ids: Sequence[ResidueId]) -> str:
    """Return the name of consecutive residues, such as A10-25."""
    first, last = ids[0], ids[-1]
    chain = first.chain if first.chain.isalpha() else f"{first.chain}:"
    end = f"-{last.number}{last.insertion_code}" if len(ids) > 1 else ""
    return f"{chain}{first.number}{first.insertion_code}{end}"
