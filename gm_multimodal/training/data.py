"""Data sets as batches for the trainer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import lightning
from torch.utils.data import DataLoader, Dataset, Sampler

from gm_multimodal.protein.batch import Batches, LengthBuckets, ProteinBatch, Replay, Share, collate
from gm_multimodal.protein.chains import Chains


@final
class _Rows(Dataset[ProteinBatch]):
    """Batches by their lists of chain numbers."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains

    def __getitem__(self, indices: list[int]) -> ProteinBatch:
        return collate(self.chains, indices)


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


@final
class ChainData(BatchData):
    """Training and validation batches of chains, bucketed by length, one member per cluster and epoch.

    Args:
        train: chains to train on.
        validation: chains of other clusters; none where a dataset is too small to be split.
        residues_per_batch: residues of a batch on each process, padding included, when batches have grown.
        seed: determines the batches of every epoch.
        doubles_at: shares of the training at which batches double their size.
        validates_fitted: whether training batches are validated too, for comparison.
        replay: chains of another dataset that are mixed into the training.
        replay_share: share of batches that are of `replay`.
    """

    def __init__(
        self,
        train: Chains,
        validation: Chains | None,
        residues_per_batch: int,
        seed: int,
        *,
        doubles_at: Sequence[float] = (),
        validates_fitted: bool = False,
        replay: Chains | None = None,
        replay_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.train_chains, self.validation_chains = train, validation
        self.residues_per_batch, self.seed = residues_per_batch, seed
        self.doubles_at, self.validates_fitted = doubles_at, validates_fitted
        self.replay, self.replay_share = replay, replay_share

    @property
    def has_validation(self) -> bool:
        """Whether there are chains to validate on."""
        return self.validation_chains is not None

    def train_dataloader(self) -> DataLoader[ProteinBatch]:
        """Return the batches of the running epoch."""
        assert self.trainer is not None
        share = Share(self.trainer.global_rank, self.trainer.world_size, self.trainer.accumulate_grad_batches)
        own = self._buckets(self.train_chains)
        if self.replay is None:
            return ResumableLoader(_Rows(self.train_chains), Epochs(own, share, self._parts))
        mixed = Replay(own, self._buckets(self.replay), self.replay_share)
        return ResumableLoader(_Rows(self.train_chains.followed_by(self.replay)), Epochs(mixed, share, self._parts))

    def val_dataloader(self) -> list[DataLoader[ProteinBatch]]:
        """Return the validation batches, the same in every epoch; perhaps training batches beside them."""
        assert self.trainer is not None
        share = Share(self.trainer.global_rank, self.trainer.world_size)
        chains = [self.validation_chains] if self.validation_chains is not None else []
        chains += [self.train_chains] if chains and self.validates_fitted else []
        batches = [(some, share.of(self._buckets(some).epoch(0))) for some in chains]
        return [DataLoader(_Rows(some), batch_size=None, sampler=of) for some, of in batches]

    def _parts(self) -> int:
        """Return in how many parts a batch is dealt at this step."""
        assert self.trainer is not None
        done = self.trainer.global_step / self.trainer.max_steps
        return 2 ** sum(done < share for share in self.doubles_at)

    def _buckets(self, chains: Chains) -> LengthBuckets:
        return LengthBuckets(chains.lengths, chains.clusters, self.residues_per_batch, self.seed)
