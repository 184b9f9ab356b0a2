"""The backbone of a protein: the one value by which files, datasets, designs and judges speak of residues."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt


@final
@dataclass(frozen=True, order=True, slots=True)
class ResidueId:
    """The name of a residue in a file: chain, number and insertion code (or an empty string)."""

    chain: str
    number: int
    insertion_code: str = ""

    def __str__(self) -> str:
        """Return the name as a contig has it, such as A52B."""
        return f"{self.chain}{self.number}{self.insertion_code}"


@final
@dataclass(frozen=True, eq=False)
class Backbone:
    """Residues with all of N, CA, C and O, chain after chain.

    Attributes:
        coordinates: N, CA, C, O, [L, 4, 3] float32 (Angstrom).
        tokens: residue types, [L] int64 in 0 ... 19; 20 where a type is not chosen yet.
        chain: number of the chain of each residue, [L] int64, from 0 on and not decreasing.
        position: place of each residue along its chain, [L] int64, growing; it jumps where residues are missing.
        labels: names of the residues in a file, L of them; None where nobody has named them.
        further: what is known of residues beyond the backbone, such as an angle, by name, [L, ...] float32; NaN where
            it is not.
    """

    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]
    chain: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    labels: tuple[ResidueId, ...] | None = None
    further: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> "Backbone":
        """Return consecutive residues; their chains and places keep their numbers."""
        labels = None if self.labels is None else self.labels[rows]
        further = {name: values[rows] for name, values in self.further.items()}
        return Backbone(
            self.coordinates[rows], self.tokens[rows], self.chain[rows], self.position[rows], labels, further
        )

    @property
    def names(self) -> tuple[ResidueId, ...]:
        """The labels; where there are none, those of a chain A that is numbered from 1."""
        return self.labels if self.labels is not None else numbered(len(self))

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The residue numbers of the names, [L]; they may jump, fall or be negative."""
        return np.array([name.number for name in self.names], dtype=np.int64)

    @property
    def is_bonded(self) -> npt.NDArray[np.bool_]:
        """Whether a peptide bond leads from each residue to the next, [L - 1]."""
        return (np.diff(self.position) == 1) & (np.diff(self.chain) == 0)

    def chain_slices(self) -> list[slice]:
        """Return the residues of every chain, in order."""
        starts = [0, *(np.flatnonzero(np.diff(self.chain)) + 1), len(self)]
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(starts)]


def unbroken(coordinates: npt.NDArray[np.float32], tokens: npt.NDArray[np.int64]) -> Backbone:
    """Return one chain without gaps whose residues nobody has named."""
    return Backbone(coordinates, tokens, np.zeros(len(tokens), dtype=np.int64), np.arange(len(tokens)))


def joined(chains: Sequence[Backbone]) -> Backbone:
    """Return named chains, at least one, as one value, numbered as they come; what all know further is kept."""
    shared = set.intersection(*(set(chain.further) for chain in chains))
    return Backbone(
        np.concatenate([chain.coordinates for chain in chains]),
        np.concatenate([chain.tokens for chain in chains]),
        np.repeat(np.arange(len(chains)), [len(chain) for chain in chains]),
        np.concatenate([chain.position for chain in chains]),
        tuple(itertools.chain.from_iterable(chain.names for chain in chains)),
        {name: np.concatenate([chain.further[name] for chain in chains]) for name in sorted(shared)},
    )


def numbered(length: int, chain: str = "A") -> tuple[ResidueId, ...]:
    """Return the names of the residues of a chain that is numbered from 1."""
    return tuple(ResidueId(chain, number + 1) for number in range(length))
