"""Image data sets: the digits that ship with the package, and local files in the formats they are published in.

The digits are the 1,797 images of the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0), in the copy and order of
scikit-learn. Nothing is ever downloaded.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.formats.raw import RawImages, Split

DIGITS: Final = "digits"
"""Name of the data set that ships."""

_DIGIT_LEVELS: Final = 17  # pixels count the dark points of a 4 x 4 block
_LEVELS: Final = 256
_TEST_STRIDE: Final = 5


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

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


def points_of(images: Tensor, levels: int) -> Tensor:
    """Return levels as points of [-1, 1], float32, as `images`."""
    return images.float() * (2 / (levels - 1)) - 1


def levels_of(points: Tensor, levels: int) -> Tensor:
    """Return the nearest level of every coordinate, uint8, as `points`; what lies beyond [-1, 1] is cut off."""
    return ((points.clamp(-1, 1) + 1) * ((levels - 1) / 2)).round().to(torch.uint8)


def load_images(data: str, split: Split) -> ImageSet:
    """Load one part of a data set.

    Args:
        data: "digits", or the path of local files.
        split: "train" or "test".

    Raises:
        DatasetError: naming the file, what was found and what would do.
    """
    if data == DIGITS:
        return _of_raw(DIGITS, _digits(split), _DIGIT_LEVELS)
    raise DatasetError(f"data {data!r} is not known; give 'digits' or the path of local files")


def _of_raw(name: str, raw: RawImages, levels: int) -> ImageSet:
    labels = None if raw.labels is None else torch.from_numpy(raw.labels)
    return ImageSet(name, torch.from_numpy(raw.images), labels, levels)


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
