"""Encoded pictures: PNG and JPEG files in folders, or bytes."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.formats.raw import RawImages, Split

_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_FORMATS: Final = ("PNG", "JPEG")
_GREY: Final = ("1", "L", "LA")
_COLOUR: Final = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
_TEST_STRIDE: Final = 10

Bytes = npt.NDArray[np.uint8]


def is_picture_folder(folder: Path) -> bool:
    """Tell whether PNG or JPEG files lie in the folder, in its folders, or in its ``train`` and ``test``."""
    part = folder / "train" if (folder / "train").is_dir() else folder
    return next(_files(part), None) is not None


def read_folder(folder: Path, split: Split) -> RawImages:
    """Read pictures of one size; folders in the folder are classes, numbered by the order of their names.

    With folders ``train`` and ``test`` these are the splits; otherwise every tenth file by name is a test image.

    Raises:
        DatasetError: There are none, one cannot be read, or their sizes differ.
    """
    is_split = (folder / "train").is_dir()
    part = folder / split if is_split else folder
    paths = sorted(_files(part))
    if not paths:
        raise DatasetError(f"folder {part} has no PNG or JPEG files")
    classes = sorted({path.parent.name for path in paths if path.parent != part})
    labels = None
    if all(path.parent != part for path in paths):
        labels = np.array([classes.index(path.parent.name) for path in paths], dtype=np.int64)
    if not is_split:
        number = np.arange(len(paths)) % _TEST_STRIDE
        chosen = np.flatnonzero((number == 0) if split == "test" else (number != 0))
        paths, labels = [paths[k] for k in chosen], None if labels is None else labels[chosen]
    return RawImages(decode((str(path), path.read_bytes()) for path in paths), labels)


def decode(pictures: Iterable[tuple[str, bytes]]) -> Bytes:
    """Decode named pictures of one size, [N, C, H, W]: one channel if all are grey, otherwise red, green and blue.

    Raises:
        DatasetError: naming the picture.
    """
    arrays: list[Bytes] = []
    first = ""
    for name, content in pictures:
        array = _decode(name, content)
        first = first or name
        if arrays and array.shape[1:] != arrays[0].shape[1:]:
            here, there = ("x".join(map(str, a.shape[1:])) for a in (array, arrays[0]))
            raise DatasetError(f"{name} is {here} pixels, {first} {there}; cut or scale the pictures to one size")
        arrays.append(array)
    if not arrays:
        raise DatasetError("there are no pictures for this split; give more than one")
    channels = max(len(array) for array in arrays)
    return np.stack([np.broadcast_to(array, (channels, *array.shape[1:])) for array in arrays])


def _files(folder: Path) -> Iterator[Path]:
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            yield path


def _decode(name: str, content: bytes) -> Bytes:
    """Return one picture, [1 or 3, H, W]."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.mode not in (*_GREY, *_COLOUR):
                raise DatasetError(f"{name} has pixels of kind {picture.mode}; give 8 bits a channel, grey or RGB")
            pixels = np.asarray(picture.convert("L" if picture.mode in _GREY else "RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{name} is not a PNG or JPEG picture that can be read ({error})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
