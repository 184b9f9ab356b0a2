"""Data sets as batches for the trainer."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
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
    """The batches of the running epoch, from where a resumed run stopped; the trainer calls `set_epoch`.

    Every epoch has as many batches as the first, because the trainer reads the length only once. A few batches of a
    longer epoch are left out, a few of a shorter one repeated.
    """

    def __init__(self, batches: Batches, share: Share) -> None:
        self.batches, self.share = batches, share
        self.length = len(share.of(batches.epoch(0)))
        self.number = self.position = 0

    def set_epoch(self, number: int) -> None:
        """Begin an epoch, unless it is the one that a resumed run is in."""
        if number != self.number:
            self.number, self.position = number, 0

    def __len__(self) -> int:
        """Return the number of batches of every epoch."""
        return self.length

    def __iter__(self) -> Iterator[list[int]]:
        """Go on with the running epoch."""
        # A generator, because a resuming trainer makes the iterator first and sets the epoch afterwards.
        batches = self.share.of(self.batches.epoch(self.number))
        while self.position < self.length:
            self.position += 1
            yield batches[(self.position - 1) % len(batches)]


@final
class ResumableLoader(DataLoader[Any]):
    """A loader whose place within the epoch is part of the trainer's checkpoint.

    Batches are made in this process, one at a time, so that the sampler's position counts those that were trained on.
    """

    def __init__(self, rows: Dataset[Any], epochs: Epochs) -> None:
        # One batch is one "sample" of the loader: it has been put together already.
        super().__init__(rows, batch_size=None, sampler=epochs)
        self.epochs = epochs

    def state_dict(self) -> dict[str, int]:
        """Return the place within the epoch."""
        return {"epoch": self.epochs.number, "position": self.epochs.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a place."""
        self.epochs.number, self.epochs.position = state["epoch"], state["position"]


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
        residues_per_batch: residues of a batch on each process, padding included.
        seed: determines the batches of every epoch.
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
        replay: Chains | None = None,
        replay_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.train_chains, self.validation_chains = train, validation
        self.residues_per_batch, self.seed = residues_per_batch, seed
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
            return ResumableLoader(_Rows(self.train_chains), Epochs(own, share))
        mixed = Replay(own, self._buckets(self.replay), self.replay_share)
        return ResumableLoader(_Rows(self.train_chains.followed_by(self.replay)), Epochs(mixed, share))

    def val_dataloader(self) -> DataLoader[ProteinBatch] | list[DataLoader[ProteinBatch]]:
        """Return the validation batches, the same in every epoch."""
        chains = self.validation_chains
        if chains is None:
            return []
        assert self.trainer is not None
        share = Share(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(_Rows(chains), batch_size=None, sampler=share.of(self._buckets(chains).epoch(0)))

    def _buckets(self, chains: Chains) -> LengthBuckets:
        return LengthBuckets(chains.lengths, chains.clusters, self.residues_per_batch, self.seed)
