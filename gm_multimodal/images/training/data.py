"""Images as batches for the trainer."""

from typing import Any, final

from torch.utils.data import DataLoader, Dataset

from gm_multimodal.images.dataset import ImageSet, points_of
from gm_multimodal.images.product import ImageBatch, sites_of
from gm_multimodal.training.batches import Shuffled
from gm_multimodal.training.data import BatchData, Epochs, ResumableLoader


@final
class _ImageRows(Dataset[ImageBatch]):
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
        batches = Shuffled(len(self.train_images), self.batch_size, self.seed)
        return ResumableLoader(_ImageRows(self.train_images, self.mirrored), Epochs(batches, self.training_share()))

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, the same in every epoch."""
        batches = Shuffled(len(self.validation_images), self.batch_size, self.seed).epoch(0)
        sampler = self.validation_share().of(batches)
        return DataLoader(_ImageRows(self.validation_images, False), batch_size=None, sampler=sampler)
