"""Image data sets: the digits that ship with the package, and local files in the formats they are published in.

The digits are the 1,797 images of the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0), in the copy and order of
scikit-learn. Nothing is ever downloaded.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.formats.cifar import is_cifar, read_cifar
from gm_multimodal.images.formats.encoded import is_picture_folder, read_folder
from gm_multimodal.images.formats.idx import is_idx, read_idx
from gm_multimodal.images.formats.npz import is_imagenet, read_imagenet, read_npz
from gm_multimodal.images.formats.raw import RawImages, Split
from gm_multimodal.reading import MAX_DATASET_BYTES

DIGITS: Final = "digits"
"""Name of the data set that ships."""

_DIGIT_LEVELS: Final = 17  # pixels count the dark points of a 4 x 4 block
_LEVELS: Final = 256
_TEST_STRIDE: Final = 5
_SHOWN: Final = 5
_FORMATS: Final = (
    (is_idx, read_idx),
    (is_cifar, read_cifar),
    (is_imagenet, read_imagenet),
    (is_picture_folder, read_folder),
)
_FOLDERS: Final = (
    "idx files as Fashion-MNIST has them, the Python batches of CIFAR-10, the npz batches of ImageNet32, "
    "or PNG or JPEG pictures"
)


@final
@dataclass(frozen=True)
class ImageSet:
    """Images of one size with equally spaced grey levels, and what they show.

    Attributes:
        name: of the data set.
        images: levels 0 ... levels - 1, uint8 [N, C, H, W].
        labels: classes counted from 0, int64 [N]; None where the files do not say.
        levels: number of levels of a pixel: 17 for the digits, otherwise 256.
    """

    name: str
    images: Tensor
    labels: Tensor | None
    levels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def points(self) -> Tensor:
        """Return the images as points, level k at -1 + 2 k / (levels - 1), float32 [N, C, H, W]."""
        return points_of(self.images, self.levels)

    def digest(self) -> str:
        """Return 16 hexadecimal digits that tell the images from others."""
        return hashlib.blake2b(self.images.contiguous().numpy().data, digest_size=8).hexdigest()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


def points_of(images: Tensor, levels: int) -> Tensor:
    """Return levels as points of [-1, 1], float32, as `images`."""
    return images.float() * (2 / (levels - 1)) - 1


def levels_of(points: Tensor, levels: int) -> Tensor:
    """Return the nearest level of every coordinate, uint8, as `points`; what lies beyond [-1, 1] is cut off."""
    return ((points.clamp(-1, 1) + 1) * ((levels - 1) / 2)).round().to(torch.uint8)


def load_images(data: str, split: Split, max_bytes: int = MAX_DATASET_BYTES) -> ImageSet:
    """Load one part of a data set.

    Args:
        data: "digits", or the path of local files.
        split: "train" or "test".
        max_bytes: refuse files, and images in memory, that are larger.

    Raises:
        DatasetError: naming the file, what was found and what would do.
    """
    if data == DIGITS:
        return _of_raw(DIGITS, _digits(split), _DIGIT_LEVELS)
    path = Path(data).expanduser()
    images = _of_raw(path.stem, _read(path, split, max_bytes), _LEVELS)
    if not len(images):
        raise DatasetError(f"data {path} has no {split} images: give a file or folder that has some")
    return images


def _of_raw(name: str, raw: RawImages, levels: int) -> ImageSet:
    labels = None if raw.labels is None else torch.from_numpy(raw.labels)
    return ImageSet(name, torch.from_numpy(raw.images), labels, levels)


def _read(path: Path, split: Split, max_bytes: int) -> RawImages:
    """Read local files in the format they are in."""
    if path.suffix == ".npz" and path.is_file():
        return read_npz(path, split, max_bytes)
    if not path.is_dir():
        found = "is a file of another kind" if path.exists() else "does not exist"
        raise DatasetError(f"data {path} {found}; give 'digits', an npz file, or a folder with {_FOLDERS}")
    for is_such, read in _FORMATS:
        if is_such(path):
            return read(path, split, max_bytes)
    names = sorted(entry.name for entry in path.iterdir())
    found = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    raise DatasetError(f"folder {path} holds {found or 'nothing'}; expected: {_FOLDERS}, or give an npz file by name")


def _digits(split: Split) -> RawImages:
    """Return the digits [1437, 1, 8, 8] or [360, 1, 8, 8]: sorted by digit, every fifth one is a test image."""
    with (
        (files("gm_multimodal") / "images" / "data" / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as table,
    ):
        images, labels = table["images"], table["labels"].astype(np.int64)
    order = np.argsort(labels, kind="stable")
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[order[::_TEST_STRIDE]] = True
    chosen = is_test if split == "test" else ~is_test
    return RawImages(images[chosen, None], labels[chosen])
