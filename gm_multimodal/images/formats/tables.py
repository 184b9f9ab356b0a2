"""Images in npz files: plain arrays, the batches of ImageNet32, and encoded JPEG bytes."""

import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.formats.encoded import decode
from gm_multimodal.images.formats.raw import RawImages, Split

_SIDE: Final = 32
_BATCHES: Final = 10
_TEST_STRIDE: Final = 10
_WANTED: Final = "'images' or 'data' (and 'labels'), for example 'train_images' and 'test_images'"

Arrays = Mapping[str, npt.NDArray]


def is_imagenet(folder: Path) -> bool:
    """Tell whether the folder has the npz batches of downsampled ImageNet."""
    return any(folder.glob("train_data_batch_*.npz"))


def read_imagenet(folder: Path, split: Split) -> RawImages:
    """Read ``train_data_batch_*.npz`` or ``val_data.npz`` of ImageNet32, [N, 3, 32, 32]; its labels begin at 1.

    Raises:
        DatasetError: A file is missing or is not such a batch.
    """
    batches = [f"train_data_batch_{number}.npz" for number in range(1, _BATCHES + 1)]
    paths = [folder / name for name in (["val_data.npz"] if split == "test" else batches)]
    parts = [_plain(path, _open(path), "") for path in paths]
    labels = [part.labels for part in parts if part.labels is not None]
    if len(labels) < len(parts):
        raise DatasetError(f"folder {folder}: a batch of ImageNet has no 'labels'")
    numbers = np.concatenate(labels)
    if numbers.size and numbers.min() < 1:
        raise DatasetError(f"folder {folder}: a batch of ImageNet has the label 0; its labels begin at 1")
    return RawImages(np.concatenate([part.images for part in parts]), numbers - 1)


def read_npz(path: Path, split: Split) -> RawImages:
    """Read ``images`` or ``data`` and ``labels`` of an npz file, or its encoded ``train_jpeg``.

    Names may begin with the split, as in ``train_images`` or ``test_labels``; without it every tenth image is a test
    image. Images are bytes [N, H, W], [N, C, H, W], [N, H, W, C], or [N, 3072] for 3 x 32 x 32. Encoded pictures are
    ``train_jpeg`` (all bytes one after the other), ``train_offsets`` [N + 1] and ``train_label``.

    Raises:
        DatasetError: naming the file and what it holds.
    """
    arrays = _open(path)
    if f"{split}_jpeg" in arrays:
        return _encoded(path, arrays, split)
    if any(name.startswith(("train_", "test_")) for name in arrays):
        return _plain(path, arrays, f"{split}_")
    images, labels = _plain(path, arrays, "")
    number = np.arange(len(images)) % _TEST_STRIDE
    chosen = (number == 0) if split == "test" else (number != 0)
    return RawImages(images[chosen], None if labels is None else labels[chosen])


def _open(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DatasetError(f"{path} is a single array; save it as npz with the name 'images'")
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read as npz ({error})") from error


def _plain(path: Path, arrays: Arrays, prefix: str) -> RawImages:
    images = next((arrays[f"{prefix}{key}"] for key in ("images", "data") if f"{prefix}{key}" in arrays), None)
    if images is None:
        raise DatasetError(f"{path} has {sorted(arrays)}; wanted are {_WANTED}")
    labels = next((arrays[f"{prefix}{key}"] for key in ("labels", "label") if f"{prefix}{key}" in arrays), None)
    return RawImages(_images(path, images), None if labels is None else _labels(path, labels, len(images)))


def _images(path: Path, images: npt.NDArray) -> npt.NDArray[np.uint8]:
    """Return images as [N, C, H, W]."""
    if images.dtype != np.uint8:
        raise DatasetError(f"{path} has images of kind {images.dtype}; give bytes (uint8, 0 to 255)")
    match images.shape:
        case (_, size) if size == 3 * _SIDE**2:
            return images.reshape(-1, 3, _SIDE, _SIDE)
        case (_, _, _):
            return images[:, None]
        case (_, 1 | 3, _, _):
            return images
        case (_, _, _, 1 | 3):
            return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        case shape:
            raise DatasetError(f"{path} has images of shape {shape}; give [N, H, W], [N, C, H, W] or [N, H, W, C]")


def _labels(path: Path, labels: npt.NDArray, count: int) -> npt.NDArray[np.int64]:
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise DatasetError(f"{path} has labels {labels.dtype}{list(labels.shape)}; give {count} whole numbers from 0")
    return labels.astype(np.int64)


def _encoded(path: Path, arrays: Arrays, split: Split) -> RawImages:
    missing = [name for name in (f"{split}_offsets", f"{split}_label") if name not in arrays]
    if missing:
        raise DatasetError(f"{path} has {split}_jpeg, but no {' nor '.join(missing)}")
    content, offsets = arrays[f"{split}_jpeg"].tobytes(), arrays[f"{split}_offsets"].tolist()
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(content) or np.diff(offsets).min() < 1:
        raise DatasetError(f"{path}: {split}_offsets do not cut the {len(content)} bytes of {split}_jpeg in order")
    pieces = pairwise(offsets)
    images = decode((f"image {k} of {path}", content[a:b]) for k, (a, b) in enumerate(pieces))
    return RawImages(images, _labels(path, arrays[f"{split}_label"], len(images)))
