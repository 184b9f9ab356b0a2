"""Batches of chains as padded tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.networks.frames import CHAIN, INDEX
from gm_multimodal.product import State
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY, Chains
from gm_multimodal.protein.frames import frames_from_backbone
from gm_multimodal.protein.soft_targets import SoftTargets, side_by_side
from gm_multimodal.sites import Sites

PAIRS_PER_RESIDUE: Final = 160
"""A batch has at most so many times as many pairs as residues, so that one of long chains does not take much longer."""

TRANSLATIONS, ROTATIONS, SEQUENCE = "translations", "rotations", "sequence"


@final
@dataclass(frozen=True)
class ProteinBatch:
    """Chains side by side, padded to the longest.

    Attributes:
        state: translations [B, N, 3] (nm), rotations [B, N, 3, 3] (identity where padded), sequence int64 [B, N].
        sites: which sites are residues, and their place in a chain.
        secondary: codes of secondary structure, int64 [B, N] (`chains.SECONDARY`, or unknown).
        soft: what a teacher says of hidden residue types; None where nobody was asked.
    """

    state: State
    sites: Sites
    secondary: Tensor
    soft: SoftTargets | None = None

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ProteinBatch":
        """Return the batch on another device (called by the trainer with arguments of its own)."""
        state = {name: x.to(device) for name, x in self.state.items()}
        soft = None if self.soft is None else self.soft.to(device)
        return ProteinBatch(state, self.sites.to(device), self.secondary.to(device), soft)

    def counted(self) -> dict[str, int]:
        """Say how much a training sees in this batch."""
        return {"chains_seen": len(self.sites.present), "residues_seen": int(self.sites.present.sum())}


def collate(chains: Chains, indices: Sequence[int]) -> ProteinBatch:
    """Put some chains side by side.

    Args:
        chains: the dataset.
        indices: which chains, in the order of the rows.
    """
    rows = [chains.rows[i] for i in indices]
    frames = [frames_from_backbone(torch.from_numpy(row.backbone.coordinates)) for row in rows]
    present = pad_sequence([torch.ones(len(x), dtype=torch.bool) for x, _ in frames], batch_first=True)
    rotations = pad_sequence([r for _, r in frames], batch_first=True)
    state = {
        TRANSLATIONS: pad_sequence([x for x, _ in frames], batch_first=True),
        ROTATIONS: torch.where(present[..., None, None], rotations, torch.eye(3)),
        SEQUENCE: _padded([row.backbone.tokens for row in rows]),
    }
    index = torch.where(present, _padded([row.backbone.position for row in rows]), single_chain(present)[INDEX])
    secondary = _padded([row.secondary for row in rows], UNKNOWN_SECONDARY)
    sites = residue_sites(present, index, _padded([row.backbone.chain for row in rows]))
    return ProteinBatch(state, sites, secondary, side_by_side([row.patterns for row in rows], present.shape[1]))


def _padded(rows: Sequence[npt.NDArray[np.int64]], value: int = 0) -> Tensor:
    return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value)


def residue_sites(present: Tensor, index: Tensor, chain: Tensor) -> Sites:
    """Return residues as sites.

    Args:
        present: True = a residue, False = padding, bool [B, N].
        index: position of a residue along its chain, int64 [B, N].
        chain: number of the chain of a residue, int64 [B, N].
    """
    return Sites(present, {INDEX: index, CHAIN: chain})


def single_chain(present: Tensor) -> Sites:
    """Return the residues of rows that hold one chain each, numbered from 0; `present` is bool [B, N]."""
    index = torch.arange(present.shape[1], device=present.device).expand(present.shape)
    return residue_sites(present, index, torch.zeros_like(index))


class Batches(Protocol):
    """Batches of every epoch, as lists of chain numbers."""

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        ...


@final
@dataclass(frozen=True)
class LengthBuckets:
    """Batches of chains of similar length, one member per cluster and epoch.

    Attributes:
        lengths: residues of every chain.
        clusters: cluster of every chain; each epoch takes one random member of each.
        residues: residues of a batch, padding included, and by `PAIRS_PER_RESIDUE` its pairs of residues; a chain of
            more forms a batch alone.
        seed: with the epoch, determines everything.
    """

    lengths: np.ndarray
    clusters: np.ndarray
    residues: int
    seed: int

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        rng = np.random.default_rng((self.seed, number))
        shuffled = rng.permutation(len(self.lengths))
        _, first = np.unique(self.clusters[shuffled], return_index=True)
        members = shuffled[first]
        # Sorting by a blurred length keeps padding small and the company of a chain different in every epoch.
        blurred = self.lengths[members] + rng.uniform(-3, 3, len(members))
        batches: list[list[int]] = []
        longest = 0
        for i in members[np.argsort(blurred, kind="stable")]:
            longest = max(longest, int(self.lengths[i]))
            most = self.residues / longest * min(1, PAIRS_PER_RESIDUE / longest)
            if not batches or len(batches[-1]) + 1 > most:
                batches.append([])
                longest = int(self.lengths[i])
            batches[-1].append(int(i))
        return [batches[i] for i in rng.permutation(len(batches))]


@final
@dataclass(frozen=True)
class Replay:
    """The batches of one dataset, a random share of them replaced by batches of another.

    Attributes:
        own: batches of the chains to learn.
        other: batches of the chains not to forget, which are numbered after the own ones.
        share: of all batches that are `other`, on average.
    """

    own: LengthBuckets
    other: LengthBuckets
    share: float

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch, as many as `own` has."""
        own, other = self.own.epoch(number), self.other.epoch(number)
        is_other = np.random.default_rng((self.own.seed, number, 1)).random(len(own)) < self.share
        first = len(self.own.lengths)
        return [[first + i for i in other[k % len(other)]] if is_other[k] else batch for k, batch in enumerate(own)]


@final
@dataclass(frozen=True)
class Share:
    """Which batches one of several processes takes, so that the steps of all layouts see the same ones.

    A step takes `processes * accumulated` batches that follow one another, dealt out in turn. So one process that
    accumulates over two batches takes the steps of two processes that do not accumulate.

    Attributes:
        rank: this process.
        processes: how many there are.
        accumulated: batches of a step on each.
    """

    rank: int = 0
    processes: int = 1
    accumulated: int = 1

    def of(self, batches: list[list[int]]) -> list[list[int]]:
        """Return this process's batches of one epoch: whole steps, the first batches once more to fill the last."""
        per_step = self.processes * self.accumulated
        whole = -(-len(batches) // per_step) * per_step
        return [batches[i % len(batches)] for i in range(self.rank, whole, self.processes)]

    def place(self, number: int) -> int:
        """Return the place of this process's batch `number` among those of all processes."""
        return number * self.processes + self.rank
