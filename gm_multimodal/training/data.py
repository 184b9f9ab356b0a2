"""Batches for the trainer, from where it stopped."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, final

import lightning
from torch.utils.data import DataLoader, Dataset, Sampler

from gm_multimodal.training.batches import Batches, Share


@final
class Epochs(Sampler[list[int]]):
    """The batches of one epoch after the other, from where a resumed run stopped.

    The trainer reads a length only once, and calls as many batches as the first epoch has an epoch; where its own end
    is of no consequence here. While a training is to take smaller batches, each is dealt in parts, one after the other.
    All processes walk along the same batches, of which each takes its own.

    Args:
        batches: batches of every epoch.
        share: which of them this process takes.
        parts: says in how many parts a batch is dealt at the time of asking.
    """

    def __init__(self, batches: Batches, share: Share, parts: Callable[[], int] = lambda: 1) -> None:
        self.batches, self.share, self.parts = batches, share, parts
        self._current = 0, batches.epoch(0)
        steps = -(-len(self._current[1]) // (share.processes * share.accumulated))
        self.length = steps * share.accumulated
        self.number = self.position = self.dealt = 0
        self.waiting: list[list[int]] = []

    def __len__(self) -> int:
        """Return the number of batches that the trainer calls an epoch."""
        return self.length

    def __iter__(self) -> Iterator[list[int]]:
        """Go on until the trainer's epoch ends."""
        # A generator, because a resuming trainer makes the iterator before it loads the place.
        self.dealt %= self.length
        while self.dealt < self.length:
            self.dealt += 1
            yield [self._next() for _ in range(self.share.processes)][self.share.rank]

    def _next(self) -> list[int]:
        if not self.waiting:
            if self.position == len(self._epoch()):
                self.number, self.position = self.number + 1, 0
            rows = self._epoch()[self.position]
            count, parts = len(rows), min(self.parts(), len(rows))
            self.waiting = [rows[count * k // parts : count * (k + 1) // parts] for k in range(parts)]
            self.position += 1
        return self.waiting.pop(0)

    def _epoch(self) -> list[list[int]]:
        if self._current[0] != self.number:
            self._current = self.number, self.batches.epoch(self.number)
        return self._current[1]


@final
class ResumableLoader(DataLoader[Any]):
    """A loader whose place within the epoch is part of the trainer's checkpoint.

    Batches are made in this process, one at a time, so that the sampler's position counts those that were trained on.
    """

    def __init__(self, rows: Dataset[Any], epochs: Epochs) -> None:
        # One batch is one "sample" of the loader: it has been put together already.
        super().__init__(rows, batch_size=None, sampler=epochs)
        self.epochs = epochs

    def state_dict(self) -> dict[str, Any]:
        """Return the place within the epoch."""
        place = self.epochs
        return {
            "epoch": place.number,
            "position": place.position,
            "dealt": place.dealt,
            "waiting": [list(rows) for rows in place.waiting],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a place, which an earlier version knew by epoch and position alone."""
        place = self.epochs
        place.number, place.position = state["epoch"], state["position"]
        place.dealt, place.waiting = state.get("dealt", state["position"]), state.get("waiting", [])


class BatchData(lightning.LightningDataModule, ABC):
    """Batches to train on, and perhaps some to validate on."""

    @property
    @abstractmethod
    def has_validation(self) -> bool:
        """Whether there are batches to validate on."""

    def training_share(self) -> Share:
        """Return which of the training batches this process takes."""
        assert self.trainer is not None
        return Share(self.trainer.global_rank, self.trainer.world_size, self.trainer.accumulate_grad_batches)

    def validation_share(self) -> Share:
        """Return which of the validation batches this process takes."""
        assert self.trainer is not None
        return Share(self.trainer.global_rank, self.trainer.world_size)
