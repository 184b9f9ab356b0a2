"""Training on images by the loop that trains on proteins: batches, what is validated, released checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gm_multimodal.errors import CheckpointError, UserInputError
from gm_multimodal.images.dataset import ImageSet, points_of
from gm_multimodal.images.heads import PixelPrediction
from gm_multimodal.images.product import EveryTime, ImageBatch, Pixels, at_time, sites_of
from gm_multimodal.images.unet import PIXELS
from gm_multimodal.protein.batch import Share
from gm_multimodal.training.build import build
from gm_multimodal.training.catalogue import PACKAGE, TARGET
from gm_multimodal.training.checkpoints import read_released
from gm_multimodal.training.data import BatchData, Epochs, ResumableLoader
from gm_multimodal.training.module import HELD_OUT_LOSS, VALIDATION_TIMES, Batch, MatchingModule
from gm_multimodal.training.optimisation import Optimisation


@final
class ImageModule(MatchingModule):
    """A network over pixels, validated head by head.

    Args:
        network: the network.
        pixels: what its pixels are.
        optimisation: optimiser and schedule.
        seed: determines every draw.
    """

    def __init__(self, network: nn.Module, pixels: Pixels, optimisation: Optimisation, seed: int) -> None:
        super().__init__(network, pixels.product(), EveryTime(), None, optimisation, 0.0, seed)

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of one batch; what is dropped out depends on the step alone, like every draw."""
        devices = [self.device] if self.device.type == "cuda" else []
        place = self.share.place(number % self.share.accumulated)
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(self.noise(self.global_step, -2 - place).rng.initial_seed()))
            return super().training_step(batch, number)

    def validation_step(self, batch: ImageBatch, number: int) -> None:
        """Log the loss of every head, with the same draws each time."""
        rows, number = len(batch.sites.present), self.share.place(number)
        parts: dict[str, list[Tensor]] = {}
        for k, s in enumerate(VALIDATION_TIMES):
            known, times = at_time(batch, self.product, torch.full((rows,), s, device=self.device))
            matching = self.match(known, times, self.noise(number, k), feeds_back=False)
            prediction = matching.predictions[PIXELS]
            assert isinstance(prediction, PixelPrediction)
            for name, loss in prediction.losses(known.values[PIXELS]).items():
                parts.setdefault(name, []).append(loss.mean())
        means = {f"validation/{name}": torch.stack(values).mean() for name, values in parts.items()}
        losses = {**means, HELD_OUT_LOSS: torch.stack(list(means.values())).sum()}
        self.log_dict(losses, batch_size=rows, sync_dist=True)


@final
@dataclass(frozen=True)
class Shuffled:
    """All images once an epoch, in batches of one size; what does not fill a batch waits for another epoch.

    Attributes:
        count: images there are.
        size: images of a batch.
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
class _Rows(Dataset[ImageBatch]):
    """Batches by their lists of image numbers."""

    def __init__(self, images: ImageSet, mirrored: bool) -> None:
        self.images, self.mirrored = images, mirrored

    def __getitem__(self, indices: list[int]) -> ImageBatch:
        points = points_of(self.images.images[indices], self.images.levels)
        if self.mirrored:  # every second image, which is another one in every epoch
            points[::2] = points[::2].flip(-1)
        return ImageBatch.of(sites_of(points))


@final
class ImageData(BatchData):
    """Training and validation batches of images.

    Args:
        train: images to train on.
        validation: images to validate on.
        batch_size: images of a batch on each process.
        mirrored: whether half of the images are shown in the mirror.
        seed: determines the batches of every epoch.
    """

    def __init__(self, train: ImageSet, validation: ImageSet, batch_size: int, mirrored: bool, seed: int) -> None:
        super().__init__()
        self.train_images, self.validation_images = train, validation
        self.batch_size, self.mirrored, self.seed = batch_size, mirrored, seed

    @property
    def has_validation(self) -> bool:
        """Whether there are images to validate on."""
        return len(self.validation_images) > 0

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the running epoch."""
        assert self.trainer is not None
        share = Share(self.trainer.global_rank, self.trainer.world_size, self.trainer.accumulate_grad_batches)
        batches = Shuffled(len(self.train_images), self.batch_size, self.seed)
        return ResumableLoader(_Rows(self.train_images, self.mirrored), Epochs(batches, share))

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, the same in every epoch."""
        assert self.trainer is not None
        share = Share(self.trainer.global_rank, self.trainer.world_size)
        batches = Shuffled(len(self.validation_images), self.batch_size, self.seed).epoch(0)
        return DataLoader(_Rows(self.validation_images, False), batch_size=None, sampler=share.of(batches))


@final
@dataclass(frozen=True)
class ImageModel:
    """A trained network over pixels, with all that is needed to say what it is.

    Attributes:
        network: in evaluation mode, single precision, on the CPU.
        pixels: what its pixels are.
        metadata: version, provenance of the training, as written.
        digest: first 16 hexadecimal digits of the file's SHA-256.
    """

    network: nn.Module
    pixels: Pixels
    metadata: Mapping[str, Any]
    digest: str


def load_image_model(path: Path, *, allow_code: bool = False) -> ImageModel:
    """Load a checkpoint that a training on images released: nothing in the file decides what code runs.

    Args:
        path: the file.
        allow_code: whether the file may name a network outside this package, which is then imported and called.

    Raises:
        CheckpointError: the file does not exist, is truncated, or is none of ours or no model of images.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint={path} is not a file: give one that `gm-multimodal images train` wrote.")
    released = read_released(path)
    try:
        pixels = build({**released.config["pixels"], TARGET: f"{PACKAGE}images.product.Pixels"})
    except (KeyError, TypeError, UserInputError) as error:
        raise CheckpointError(
            f"checkpoint {path} is not a model of images: give one that `gm-multimodal images train` wrote."
        ) from error
    return ImageModel(released.network(allow_code=allow_code), pixels, released.metadata, released.digest)
