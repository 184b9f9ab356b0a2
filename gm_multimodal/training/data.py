"""Chains as batches for the trainer."""

from collections.abc import Iterator
from typing import final

import lightning
from torch.utils.data import DataLoader, Dataset, Sampler

from gm_multimodal.protein.batch import LengthBuckets, ProteinBatch, collate
from gm_multimodal.protein.dataset import Chains


@final
class _Rows(Dataset[ProteinBatch]):
    """Batches by their lists of chain numbers."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains

    def __getitem__(self, indices: list[int]) -> ProteinBatch:
        return collate(self.chains, indices)


@final
class _Epochs(Sampler[list[int]]):
    """The batches of the current epoch; the trainer calls `set_epoch`, also after a resume."""

    def __init__(self, buckets: LengthBuckets) -> None:
        self.buckets = buckets
        self.set_epoch(0)

    def set_epoch(self, number: int) -> None:
        self._batches = self.buckets.epoch(number)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)


@final
class ChainData(lightning.LightningDataModule):
    """Training and validation batches of chains, bucketed by length, one member per cluster and epoch.

    Args:
        train: chains to train on.
        validation: chains of other clusters.
        residues_per_batch: residues of a batch on each process, padding included.
        seed: determines the batches of every epoch.
    """

    def __init__(self, train: Chains, validation: Chains, residues_per_batch: int, seed: int) -> None:
        super().__init__()
        self.train_chains, self.validation_chains = train, validation
        self.residues_per_batch, self.seed = residues_per_batch, seed

    def train_dataloader(self) -> DataLoader[ProteinBatch]:
        """Return the batches of the running epoch."""
        assert self.trainer is not None
        return self._loader(self.train_chains, self.trainer.global_rank, self.trainer.world_size)

    def val_dataloader(self) -> DataLoader[ProteinBatch]:
        """Return the validation batches, the same in every epoch."""
        assert self.trainer is not None
        return self._loader(self.validation_chains, self.trainer.global_rank, self.trainer.world_size, repeats=True)

    def _loader(self, chains: Chains, rank: int, world: int, *, repeats: bool = False) -> DataLoader[ProteinBatch]:
        buckets = LengthBuckets(chains.lengths, chains.clusters, self.residues_per_batch, self.seed, rank, world)
        batches = buckets.epoch(0) if repeats else _Epochs(buckets)
        # One batch is one "sample" of the loader: it has been put together already.
        return DataLoader(_Rows(chains), batch_size=None, sampler=batches)
