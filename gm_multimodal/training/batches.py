"""Batches: what a training step reads, in which order, and how several processes share them out."""

from dataclasses import dataclass
from typing import Protocol, final

import torch

from gm_multimodal.product import State
from gm_multimodal.sites import Sites


class Batch(Protocol):
    """Data points side by side, which the trainer moves to its device by `to(device)`."""

    @property
    def state(self) -> State:
        """Clean points, [B, N, *E] per factor."""
        ...

    @property
    def sites(self) -> Sites:
        """Which sites are present, and what is known of them beside the points."""
        ...

    def counted(self) -> dict[str, int]:
        """Say how much a training sees in this batch, by names that end in `_seen`."""
        ...


class Batches(Protocol):
    """Batches of every epoch, as lists of the numbers of data points."""

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        ...


@final
@dataclass(frozen=True)
class Shuffled:
    """All data points once an epoch, in batches of one size; what does not fill a batch waits for another epoch.

    Attributes:
        count: data points there are.
        size: data points of a batch.
        seed: determines the order of every epoch.
    """

    count: int
    size: int
    seed: int

    def epoch(self, number: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        order = torch.randperm(self.count, generator=rng)
        size = min(self.size, self.count)
        return [batch.tolist() for batch in order.split(size) if len(batch) == size]


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
