"""The tasks of design: each gives the blueprint of design i, and nothing else tells them apart."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, final

import numpy as np

from gm_multimodal.noise import DesignNoise
from gm_multimodal.printable import printable
from gm_multimodal.protein.backbone import Backbone, ResidueId, numbered
from gm_multimodal.protein.blueprint import Blueprint, Mask, blank
from gm_multimodal.protein.contigs import Contig
from gm_multimodal.protein.fasta import Record
from gm_multimodal.protein.input_structure import InputStructure, selection_name
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.side_chains import SideChain

LENGTHS_STEP = -2
"""Number of the step whose noise streams draw lengths; the prior has -1."""

_CHAIN_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Task(Protocol):
    """What is given and what is designed. Several inputs take turns: design i is of input i modulo their number."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the designs depend on."""
        ...

    @property
    def inputs(self) -> int:
        """How many inputs take turns."""
        ...

    def blueprint(self, index: int) -> Blueprint:
        """Return what design `index` is before it is sampled; it depends on nothing but the index."""
        ...


@final
@dataclass(frozen=True)
class Codesign:
    """Nothing is given: backbone and sequence of a chain of `length` residues."""

    length: int
    files: tuple[Path, ...] = ()
    inputs: int = 1

    def blueprint(self, index: int) -> Blueprint:
        """Return the same blank chain for every design."""
        return blank(self.length)


@final
@dataclass(frozen=True)
class Fold:
    """The sequence is given: backbones for every record."""

    records: tuple[Record, ...]
    files: tuple[Path, ...]

    @property
    def inputs(self) -> int:
        """The number of records."""
        return len(self.records)

    def blueprint(self, index: int) -> Blueprint:
        """Return a chain with the letters of its record given; where the record has X, the type is designed too."""
        record = self.records[index % self.inputs]
        given = record.tokens != MASK
        empty = blank(len(given))
        backbone = dataclasses.replace(empty.backbone, tokens=np.where(given, record.tokens, 0))
        return dataclasses.replace(empty, backbone=backbone, sequence_given=given, name=record.name)


@final
@dataclass(frozen=True)
class Redesign:
    """A protein is given. Of all but the fixed residues the sequence is designed, or, if noised, everything.

    Attributes:
        structures: the inputs.
        fixed: of each input, the residues that stay as they are.
        keep_structure: True = inverse folding; False = the simulation begins with the noised input.
    """

    structures: tuple[InputStructure, ...]
    fixed: tuple[tuple[int, ...], ...]
    keep_structure: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """The structure files."""
        return tuple(structure.path for structure in self.structures)

    @property
    def inputs(self) -> int:
        """The number of structures."""
        return len(self.structures)

    def blueprint(self, index: int) -> Blueprint:
        """Return the chains of the input under their own names."""
        return self._blueprints[index % self.inputs]

    @cached_property
    def _blueprints(self) -> tuple[Blueprint, ...]:
        return tuple(map(self._blueprint, self.structures, self.fixed))

    def _blueprint(self, structure: InputStructure, fixed: Sequence[int]) -> Blueprint:
        is_fixed = np.zeros(len(structure), dtype=bool)
        is_fixed[list(fixed)] = True
        return Blueprint(
            structure.backbone,
            structure_given=is_fixed | self.keep_structure,
            sequence_given=is_fixed & (structure.backbone.tokens != MASK),
            source=tuple(i if given else None for i, given in zip(structure.ids, is_fixed, strict=True)),
            side_chains={k: structure.side_chains[k] for k in fixed},
            native=True,
            name=printable(structure.path.name),
        )


@final
@dataclass(frozen=True)
class Motif:
    """Residues of an input are given, with new ones between them whose numbers are drawn for every design.

    Attributes:
        structure: the input.
        contig: which residues stand where.
        seed: of the run; decides the lengths, with the index of the design.
        free_types: residues of the input whose type is designed while their backbone is given.
    """

    structure: InputStructure
    contig: Contig
    seed: int
    free_types: frozenset[int] = field(default_factory=frozenset)
    inputs: int = 1

    @property
    def files(self) -> tuple[Path, ...]:
        """The structure file."""
        return (self.structure.path,)

    def blueprint(self, index: int) -> Blueprint:
        """Draw the lengths of design `index` and put the given residues in place."""
        drawn = self.contig.draw(DesignNoise(self.seed, (index,)).at(LENGTHS_STEP, "lengths"))
        chains = [self._chain(pieces) for pieces in drawn]
        origin = np.concatenate(chains)
        is_given = origin >= 0
        given = self.structure.backbone
        backbone = Backbone(
            coordinates=np.where(is_given[:, None, None], given.coordinates[origin], np.float32(0)),
            tokens=np.where(is_given, given.tokens[origin], 0),
            chain=np.repeat(np.arange(len(chains)), list(map(len, chains))),
            position=np.concatenate([self._positions(chain) for chain in chains]),
            labels=self._labels(chains),
        )
        types_given = is_given & ~np.isin(origin, list(self.free_types))
        return Blueprint(
            backbone,
            structure_given=is_given,
            sequence_given=types_given,
            source=tuple(self.structure.ids[k] if k >= 0 else None for k in origin),
            side_chains=self._side_chains(origin, types_given),
            name=printable(self.structure.path.name),
        )

    def _chain(self, pieces: Sequence[tuple[int, ...] | int]) -> np.ndarray:
        """Return the residue of the input, or -1, for every residue of a chain."""
        return np.concatenate([np.full(p, -1) if isinstance(p, int) else np.array(p, dtype=np.int64) for p in pieces])

    def _positions(self, chain: np.ndarray) -> np.ndarray:
        """Count the residues; between two of one chain of the input, as they are apart there."""
        before, after = chain[:-1], chain[1:]
        source = self.structure.backbone
        apart = source.position[after] - source.position[before]
        same = (before >= 0) & (after >= 0) & (source.chain[after] == source.chain[before])
        return np.concatenate([[0], np.cumsum(np.where(same & (apart > 0), apart, 1))])

    def _labels(self, chains: Sequence[np.ndarray]) -> tuple[ResidueId, ...]:
        """Keep the names of chains that are wholly of the input; number the others from 1 under free letters."""
        kept: dict[int, str] = {}
        for number, chain in enumerate(chains):
            names = {self.structure.ids[k].chain for k in chain if k >= 0}
            if (chain >= 0).all() and len(names) == 1 and (np.diff(chain) > 0).all() and not names & {*kept.values()}:
                kept[number] = names.pop()
        free = iter(name for name in _CHAIN_NAMES if name not in kept.values())
        labels: list[ResidueId] = []
        for number, chain in enumerate(chains):
            if number in kept:
                labels += [self.structure.ids[k] for k in chain]
            else:
                labels += numbered(len(chain), next(free))
        return tuple(labels)

    def _side_chains(self, origin: np.ndarray, types_given: Mask) -> dict[int, SideChain]:
        found = self.structure.side_chains
        return {k: found[n] for k, n in enumerate(origin.tolist()) if types_given[k] and n in found}


def describe(blueprint: Blueprint) -> list[str]:
    """Return a line for every chain: which residues are new, and what is given of the others."""
    lines = []
    for part in blueprint.backbone.chain_slices():
        pieces: list[list[int]] = []
        for k in range(part.start, part.stop):
            if pieces and _kind(blueprint, k) == _kind(blueprint, k - 1) and _follows(blueprint, k):
                pieces[-1].append(k)
            else:
                pieces.append([k])
        told = ", ".join(_piece(blueprint, piece) for piece in pieces)
        lines.append(f"chain {blueprint.backbone.names[part.start].chain}, {part.stop - part.start} residues: {told}")
    return lines


def _kind(blueprint: Blueprint, k: int) -> tuple[bool, bool, bool]:
    is_copied = blueprint.source[k] is not None
    return bool(blueprint.structure_given[k]), bool(blueprint.sequence_given[k]), is_copied


def _follows(blueprint: Blueprint, k: int) -> bool:
    """Return whether residue k stands behind k - 1 in the file that is written, and in the input it is copied from."""
    before, here = blueprint.source[k - 1], blueprint.source[k]
    position = blueprint.backbone.position
    if position[k] != position[k - 1] + 1:
        return False
    return before is None or here is None or (before.chain == here.chain and here.number - before.number in (0, 1))


def _piece(blueprint: Blueprint, piece: Sequence[int]) -> str:
    structure, sequence, is_copied = _kind(blueprint, piece[0])
    kept = [name for name, given in (("structure", structure), ("sequence", sequence)) if given]
    labels = [blueprint.backbone.names[k] for k in piece]
    source = [i for k in piece if (i := blueprint.source[k]) is not None]
    origin = f" = {selection_name(source)}" if is_copied and source != labels else ""
    return f"{selection_name(labels)}{origin} ({' and '.join(kept) + ' given' if kept else 'new'})"
