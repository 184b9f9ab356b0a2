"""Images in npz files: plain arrays, the batches of ImageNet32, and encoded JPEG bytes."""

import math
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import DatasetError, TooLarge
from gm_multimodal.images.formats.encoded import decode
from gm_multimodal.images.formats.raw import RawImages, Split
from gm_multimodal.reading import check_size, read_at_most

_SIDE: Final = 32
_BATCHES: Final = 10
_TEST_STRIDE: Final = 10
_MOST_ARRAYS: Final = 1000
_ENTRY: Final = b"PK\x01\x02"
_WANTED: Final = "'images' or 'data' (and 'labels'), for example 'train_images' and 'test_images'"

Arrays = Mapping[str, npt.NDArray]


def is_imagenet(folder: Path) -> bool:
    """Return whether the folder has the npz batches of downsampled ImageNet."""
    return any(folder.glob("train_data_batch_*.npz"))


def read_imagenet(folder: Path, split: Split, max_bytes: int) -> RawImages:
    """Read ``train_data_batch_*.npz`` or ``val_data.npz`` of ImageNet32, [N, 3, 32, 32]; its labels begin at 1.

    Raises:
        DatasetError: A file is missing or is not such a batch.
    """
    batches = [f"train_data_batch_{number}.npz" for number in range(1, _BATCHES + 1)]
    paths = [folder / name for name in (["val_data.npz"] if split == "test" else batches)]
    parts = [_plain(path, read_arrays(path, max_bytes // len(paths)), "") for path in paths]
    labels = [part.labels for part in parts if part.labels is not None]
    if len(labels) < len(parts):
        raise DatasetError(f"folder {folder}: a batch of ImageNet has no 'labels'")
    numbers = np.concatenate(labels)
    if numbers.size and numbers.min() < 1:
        raise DatasetError(f"folder {folder}: a batch of ImageNet has the label 0; its labels begin at 1")
    return RawImages(np.concatenate([part.images for part in parts]), numbers - 1)


def read_npz(path: Path, split: Split, max_bytes: int) -> RawImages:
    """Read ``images`` or ``data`` and ``labels`` of an npz file, or its encoded ``train_jpeg``.

    Names may begin with the split, as in ``train_images`` or ``test_labels``; without it every tenth image is a test
    image. Images are bytes [N, H, W], [N, C, H, W], [N, H, W, C], or [N, 3072] for 3 x 32 x 32. Encoded pictures are
    ``train_jpeg`` (all bytes one after the other), ``train_offsets`` [N + 1] and ``train_label``.

    Raises:
        DatasetError: naming the file and what it holds.
    """
    arrays = read_arrays(path, max_bytes)
    if f"{split}_jpeg" in arrays:
        return _encoded(path, arrays, split, max_bytes)
    if any(name.startswith(("train_", "test_")) for name in arrays):
        return _plain(path, arrays, f"{split}_")
    images, labels = _plain(path, arrays, "")
    number = np.arange(len(images)) % _TEST_STRIDE
    chosen = (number == 0) if split == "test" else (number != 0)
    return RawImages(images[chosen], None if labels is None else labels[chosen])


def read_arrays(path: Path, max_bytes: int) -> Arrays:
    """Read the arrays of an npz file: what their headers announce is compared with the limit, and then with what comes.

    Raises:
        DatasetError: It is damaged, holds objects, or its arrays take more bytes than that together.
    """
    arrays: dict[str, npt.NDArray] = {}
    left = max_bytes
    try:
        check_size(path, max_bytes)
        if not zipfile.is_zipfile(path):
            raise DatasetError(f"{path} is not an npz file; save images by numpy.savez with the name 'images'")
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    array = _read_array(file, left)
                left -= array.nbytes
                arrays[name.removesuffix(".npy")] = array
    except TooLarge as error:
        raise DatasetError(f"{path} holds more than {max_bytes / 1e6:g} MB: give a larger max_megabytes") from error
    except DatasetError:
        raise
    except Exception as error:  # a damaged archive raises whatever its method of compression does
        raise DatasetError(f"{path} cannot be read as npz ({error})") from error
    return arrays


def _check_directory(path: Path) -> None:
    """Refuse an archive of very many members before its directory is read."""
    found, rest = 0, b""
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found += (rest + part).count(_ENTRY)
            rest = part[1 - len(_ENTRY) :]
    if found > _MOST_ARRAYS:
        raise ValueError(f"it has more than {_MOST_ARRAYS} arrays")


def _read_array(file: IO[bytes], max_bytes: int) -> npt.NDArray:
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, kind = header(file)
    if kind.hasobject:
        raise ValueError("it holds objects, not numbers")
    size = math.prod(shape) * kind.itemsize
    if size > max_bytes or min(shape, default=1) < 0:
        raise TooLarge("announces more than", max_bytes)
    content = read_at_most(file, size)
    if len(content) < size:
        raise ValueError(f"it announces {size} bytes and has {len(content)}")
    return np.frombuffer(content, dtype=kind).reshape(shape, order="F" if is_fortran else "C")


def _plain(path: Path, arrays: Arrays, prefix: str) -> RawImages:
    images = next((arrays[f"{prefix}{key}"] for key in ("images", "data") if f"{prefix}{key}" in arrays), None)
    if images is None:
        raise DatasetError(f"{path} has {sorted(arrays)}; expected: {_WANTED}")
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


def _encoded(path: Path, arrays: Arrays, split: Split, max_bytes: int) -> RawImages:
    missing = [name for name in (f"{split}_offsets", f"{split}_label") if name not in arrays]
    if missing:
        raise DatasetError(f"{path} has {split}_jpeg, but no {' nor '.join(missing)}")
    content, offsets = memoryview(arrays[f"{split}_jpeg"].tobytes()), arrays[f"{split}_offsets"]
    is_list = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 1
    if not (is_list and offsets[0] == 0 and offsets[-1] == len(content) and (offsets[1:] > offsets[:-1]).all()):
        raise DatasetError(f"{path}: {split}_offsets do not cut the {len(content)} bytes of {split}_jpeg in order")
    pieces = enumerate(pairwise(offsets))
    pictures = ((f"image {k} of {path}", bytes(content[int(a) : int(b)])) for k, (a, b) in pieces)
    images = decode(pictures, len(offsets) - 1, max_bytes)
    return RawImages(images, _labels(path, arrays[f"{split}_label"], len(images)))
