"""The Python batches of CIFAR-10."""

import zlib
from pathlib import Path
from typing import Final

import numpy as np

from gm_multimodal.errors import DatasetError, TooLarge
from gm_multimodal.images.formats.pickled import Unreadable, load
from gm_multimodal.images.formats.raw import RawImages, Split
from gm_multimodal.reading import read_bytes

_BATCHES: Final = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
_SHAPE: Final = (3, 32, 32)
_SHOWN: Final = 20
_MOST_LABEL: Final = 1 << 31


def is_cifar(folder: Path) -> bool:
    """Return whether the folder has a Python batch of CIFAR-10."""
    return any((folder / name).is_file() for names in _BATCHES.values() for name in names)


def read_cifar(folder: Path, split: Split, max_bytes: int) -> RawImages:
    """Read the batches of a split, [N, 3, 32, 32].

    Raises:
        DatasetError: A batch is missing, is not a batch, or asks for more than arrays.
    """
    names = _BATCHES[split]
    batches = [_read(folder / name, max_bytes // len(names)) for name in names]
    return RawImages(np.concatenate([b.images for b in batches]), np.concatenate([b.labels for b in batches]))


def _read(path: Path, max_bytes: int) -> RawImages:
    try:
        content = load(read_bytes(path, max_bytes))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; the Python version of CIFAR-10 has it") from error
    except TooLarge as error:
        raise DatasetError(f"{path} {error.reason}: give a larger max_megabytes") from error
    except (Unreadable, OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is not a Python batch of CIFAR-10: {error}") from error
    table = content if type(content) is dict else {}
    batch = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in table.items()}
    images, labels = batch.get("data"), batch.get("labels")
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (np.prod(_SHAPE),)):
        raise DatasetError(
            f"{path} has no 'data' of bytes [N, 3072] (it has {[key[:_SHOWN] for key in sorted(batch)[:_SHOWN]]})"
        )
    if not (isinstance(labels, list) and len(labels) == len(images) and all(_is_label(k) for k in labels)):
        raise DatasetError(f"{path} has no 'labels', one whole number from 0 for each of its {len(images)} images")
    return RawImages(images.reshape(-1, *_SHAPE), np.array(labels, dtype=np.int64))


def _is_label(item: object) -> bool:
    return type(item) is int and 0 <= item < _MOST_LABEL
