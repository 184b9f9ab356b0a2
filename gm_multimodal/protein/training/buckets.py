"""The batches of an epoch of chains: of similar length, one member of every cluster, perhaps mixed with others."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

PAIRS_PER_RESIDUE: Final = 160
"""Most pairs of residues for each residue of a batch, so that one of long chains does not take much longer."""


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
