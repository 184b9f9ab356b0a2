"""Chains as batches for the trainer."""

from collections.abc import Sequence
from typing import final

from torch.utils.data import DataLoader, Dataset

from gm_multimodal.protein.batch import ProteinBatch, collate
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.training.buckets import LengthBuckets, Replay
from gm_multimodal.training.data import BatchData, Epochs, ResumableLoader


@final
class _ChainRows(Dataset[ProteinBatch]):
    """Batches by their lists of chain numbers."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains

    def __getitem__(self, indices: list[int]) -> ProteinBatch:
        return collate(self.chains, indices)


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
        share = self.training_share()
        own = self._buckets(self.train_chains)
        if self.replay is None:
            return ResumableLoader(_ChainRows(self.train_chains), Epochs(own, share, self._parts))
        mixed = Replay(own, self._buckets(self.replay), self.replay_share)
        return ResumableLoader(
            _ChainRows(self.train_chains.followed_by(self.replay)), Epochs(mixed, share, self._parts)
        )

    def val_dataloader(self) -> list[DataLoader[ProteinBatch]]:
        """Return the validation batches, the same in every epoch; perhaps training batches beside them."""
        share = self.validation_share()
        chains = [self.validation_chains] if self.validation_chains is not None else []
        chains += [self.train_chains] if chains and self.validates_fitted else []
        batches = [(some, share.of(self._buckets(some).epoch(0))) for some in chains]
        return [DataLoader(_ChainRows(some), batch_size=None, sampler=of) for some, of in batches]

    def _parts(self) -> int:
        """Return in how many parts a batch is dealt at this step."""
        assert self.trainer is not None
        done = self.trainer.global_step / self.trainer.max_steps
        return 2 ** sum(done < share for share in self.doubles_at)

    def _buckets(self, chains: Chains) -> LengthBuckets:
        return LengthBuckets(chains.lengths, chains.clusters, self.residues_per_batch, self.seed)
