"""The Python batches of CIFAR-10: pickles, of which no more is carried out than arrays need."""

import io
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.formats.raw import RawImages, Split

_BATCHES: Final = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
_SHAPE: Final = (3, 32, 32)

# A pickle is a programme, and files of others must not run: these names are all that an array of numbers calls.
_ALLOWED: Final = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    }
)


def is_cifar(folder: Path) -> bool:
    """Tell whether the folder has a Python batch of CIFAR-10."""
    return any((folder / name).is_file() for names in _BATCHES.values() for name in names)


def read_cifar(folder: Path, split: Split) -> RawImages:
    """Read the batches of a split, [N, 3, 32, 32].

    Raises:
        DatasetError: A batch is missing, is not a batch, or asks for more than arrays.
    """
    batches = [_read(folder / name) for name in _BATCHES[split]]
    return RawImages(np.concatenate([b.images for b in batches]), np.concatenate([b.labels for b in batches]))


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a batch of CIFAR-10 does not need")
        # numpy 2 renamed the module under which older files name this function
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def _read(path: Path) -> RawImages:
    try:
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; the Python version of CIFAR-10 has it") from error
    except Exception as error:  # a damaged pickle raises whatever its accidental programme comes to
        raise DatasetError(f"{path} is not a Python batch of CIFAR-10: {error}") from error
    batch = {k.decode() if isinstance(k, bytes) else k: v for k, v in content.items()} if type(content) is dict else {}
    images, labels = batch.get("data"), batch.get("labels")
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (np.prod(_SHAPE),)):
        raise DatasetError(f"{path} has no 'data' of bytes [N, 3072] (it has {sorted(map(str, batch))})")
    if not (isinstance(labels, list) and len(labels) == len(images) and all(type(k) is int for k in labels)):
        raise DatasetError(f"{path} has no 'labels', one whole number for each of its {len(images)} images")
    return RawImages(images.reshape(-1, *_SHAPE).copy(), np.array(labels, dtype=np.int64))
