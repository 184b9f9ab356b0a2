"""Batches of chains as padded tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.network import Context
from gm_multimodal.product import State
from gm_multimodal.protein.backbone import frames_from_backbone
from gm_multimodal.protein.dataset import Chains

TRANSLATIONS, ROTATIONS, SEQUENCE = "translations", "rotations", "sequence"


@final
@dataclass(frozen=True)
class ProteinBatch:
    """Chains side by side, padded to the longest.

    Attributes:
        state: translations [B, N, 3] (nm), rotations [B, N, 3, 3] (identity where padded), sequence int64 [B, N].
        context: which sites are residues, and their place in the chain.
    """

    state: State
    context: Context

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ProteinBatch":
        """Return the batch on another device (called by the trainer with arguments of its own)."""
        context = Context(*(getattr(self.context, k).to(device) for k in ("present", "index", "chain")))
        return ProteinBatch({name: x.to(device) for name, x in self.state.items()}, context)


def collate(chains: Chains, indices: Sequence[int]) -> ProteinBatch:
    """Put some chains side by side.

    Args:
        chains: the dataset.
        indices: which chains, in the order of the rows.
    """
    frames = [frames_from_backbone(torch.from_numpy(chains.coordinates[i])) for i in indices]
    present = pad_sequence([torch.ones(len(x), dtype=torch.bool) for x, _ in frames], batch_first=True)
    rotations = pad_sequence([r for _, r in frames], batch_first=True)
    state = {
        TRANSLATIONS: pad_sequence([x for x, _ in frames], batch_first=True),
        ROTATIONS: torch.where(present[..., None, None], rotations, torch.eye(3)),
        SEQUENCE: pad_sequence([torch.from_numpy(chains.tokens[i]) for i in indices], batch_first=True),
    }
    context = single_chain(present)
    index = context.index.clone()
    for row, i in enumerate(indices):
        index[row, : len(chains.positions[i])] = torch.from_numpy(chains.positions[i])
    return ProteinBatch(state, Context(present, index, context.chain))


def single_chain(present: Tensor) -> Context:
    """Return the context of rows that hold one chain each, numbered from 0; `present` is bool [B, N]."""
    index = torch.arange(present.shape[1], device=present.device).expand(present.shape)
    return Context(present, index, torch.zeros_like(index))


@final
@dataclass(frozen=True)
class LengthBuckets:
    """Batches of chains of similar length, one member per cluster and epoch, the same number on every rank.

    Attributes:
        lengths: residues of every chain.
        clusters: cluster of every chain; each epoch takes one random member of each.
        residues: residues of a batch, padding included; a chain that is longer forms a batch alone.
        seed: with the epoch, determines everything.
        rank: this process.
        world: number of processes.
    """

    lengths: np.ndarray
    clusters: np.ndarray
    residues: int
    seed: int
    rank: int = 0
    world: int = 1

    def epoch(self, number: int) -> list[list[int]]:
        """Return this rank's batches of one epoch, as lists of chain numbers."""
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
            if not batches or longest * (len(batches[-1]) + 1) > self.residues:
                batches.append([])
                longest = int(self.lengths[i])
            batches[-1].append(int(i))
        order = rng.permutation(len(batches))
        order = np.resize(order, -(-len(order) // self.world) * self.world)  # ranks must take equally many steps
        return [batches[i] for i in order[self.rank :: self.world]]
