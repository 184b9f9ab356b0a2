"""The idx files of MNIST and Fashion-MNIST, plain or gzipped."""

import math
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import DatasetError, TooLarge
from gm_multimodal.images.formats.raw import RawImages, Split
from gm_multimodal.reading import open_unpacked, read_at_most

_PREFIX: Final = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE: Final = 8
_SPELLINGS: Final = ("{}-{}-idx{}-ubyte.gz", "{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte.gz", "{}-{}.idx{}-ubyte")


def is_idx(folder: Path) -> bool:
    """Return whether the folder has idx files of images."""
    return any(_find(folder, prefix, "images", 3) for prefix in _PREFIX.values())


def read_idx(folder: Path, split: Split, max_bytes: int) -> RawImages:
    """Read ``train-images-idx3-ubyte(.gz)`` and its labels, or the ``t10k`` files.

    Raises:
        DatasetError: A file is missing, damaged or too large, or they do not belong together.
    """
    prefix = _PREFIX[split]
    image_file, label_file = _find(folder, prefix, "images", 3), _find(folder, prefix, "labels", 1)
    if image_file is None or label_file is None:
        missing = _SPELLINGS[0].format(prefix, *(("images", 3) if image_file is None else ("labels", 1)))
        raise DatasetError(f"folder {folder} has idx files, but no {missing} (with or without .gz)")
    images, labels = _read(image_file, 3, max_bytes), _read(label_file, 1, max_bytes)
    if len(images) != len(labels):
        raise DatasetError(f"{image_file} has {len(images)} images, but {label_file} {len(labels)} labels")
    return RawImages(images[:, None], labels.astype(np.int64))


def _find(folder: Path, prefix: str, kind: str, axes: int) -> Path | None:
    candidates = (folder / spelling.format(prefix, kind, axes) for spelling in _SPELLINGS)
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path, axes: int, max_bytes: int) -> npt.NDArray[np.uint8]:
    """Read an array of unsigned bytes with `axes` axes; not a byte more than its header announces."""
    try:
        with open_unpacked(path, max_bytes) as file:
            header = file.read(4)
            if header != bytes((0, 0, _UNSIGNED_BYTE, axes)):
                raise DatasetError(
                    f"{path} begins with {header.hex(' ')}; an idx file of {axes} axes of bytes begins with "
                    f"00 00 08 {axes:02x}"
                )
            shape = struct.unpack(f">{axes}I", file.read(4 * axes))
            if math.prod(shape) > max_bytes:
                raise TooLarge("announces more than", max_bytes)
            content = read_at_most(file, math.prod(shape))
    except TooLarge as error:
        raise DatasetError(f"{path} {error.reason}: give a larger max_megabytes") from error
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DatasetError(f"{path} cannot be read ({error}); it may be truncated: copy it again") from error
    if len(content) < math.prod(shape):
        raise DatasetError(f"{path} announces {math.prod(shape)} bytes and has {len(content)}: copy it again")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
