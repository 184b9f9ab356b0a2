"""Encoded pictures: PNG and JPEG files in folders, or bytes."""

import io
import math
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from gm_multimodal.errors import DatasetError, TooLarge
from gm_multimodal.images.formats.raw import RawImages, Split
from gm_multimodal.reading import read_bytes

_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_FORMATS: Final = ("PNG", "JPEG")
_GREY: Final = ("1", "L", "LA")
_COLOUR: Final = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
_TEST_STRIDE: Final = 10
_BYTES_A_PIXEL: Final = 16  # while a picture is decoded: four of Pillow, twice where it is converted, and an array

Bytes = npt.NDArray[np.uint8]


def is_picture_folder(folder: Path) -> bool:
    """Return whether PNG or JPEG files lie in the folder, in its folders, or in its ``train`` and ``test``."""
    part = folder / "train" if (folder / "train").is_dir() else folder
    return next(_files(part), None) is not None


def read_folder(folder: Path, split: Split, max_bytes: int) -> RawImages:
    """Read pictures of one size; folders in the folder are classes, numbered by the order of their names.

    With folders ``train`` and ``test`` these are the splits; otherwise every tenth file by name is a test image.

    Raises:
        DatasetError: There are none, one cannot be read, their sizes differ, or they are too large.
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
    pictures = ((str(path), _content(path, max_bytes)) for path in paths)
    return RawImages(decode(pictures, len(paths), max_bytes), labels)


def decode(pictures: Iterable[tuple[str, bytes]], count: int, max_bytes: int) -> Bytes:
    """Decode named pictures of one size, [N, C, H, W]: one channel if all are grey, otherwise red, green and blue.

    Args:
        pictures: name and content of each.
        count: how many there are.
        max_bytes: refuse pictures that take more, each while it is decoded and all of them together.

    Raises:
        DatasetError: naming the picture.
    """
    if not count:
        raise DatasetError("there are no pictures for this split; give more than one")
    all_of_them: Bytes | None = None
    first = ""
    for number, (name, content) in enumerate(pictures):
        picture = _decode(name, content, max_bytes)
        if all_of_them is None:
            first, all_of_them = name, _reserved(name, count, picture.shape, max_bytes)
        if picture.shape[1:] != all_of_them.shape[2:]:
            here, there = ("x".join(map(str, shape)) for shape in (picture.shape[1:], all_of_them.shape[2:]))
            raise DatasetError(f"{name} is {here} pixels, {first} {there}; cut or scale the pictures to one size")
        if len(picture) > all_of_them.shape[1]:
            coloured = _reserved(name, count, picture.shape, max_bytes)
            coloured[:number] = all_of_them[:number]
            all_of_them = coloured
        all_of_them[number] = picture
    assert all_of_them is not None
    return all_of_them


def _reserved(name: str, count: int, shape: tuple[int, ...], max_bytes: int) -> Bytes:
    """Return room for all pictures, of the shape [C, H, W] of one of them."""
    if count * math.prod(shape) > max_bytes:
        raise DatasetError(
            f"{count} pictures of the size of {name} take more than {max_bytes / 1e6:g} MB: give a larger max_megabytes"
        )
    return np.empty((count, *shape), dtype=np.uint8)


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        return read_bytes(path, max_bytes)
    except TooLarge as error:
        raise DatasetError(f"{path} {error.reason}: give a larger max_megabytes") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is not a PNG or JPEG picture that can be read ({error})") from error


def _files(folder: Path) -> Iterator[Path]:
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            yield path


def _decode(name: str, content: bytes, max_bytes: int) -> Bytes:
    """Return one picture, [1 or 3, H, W]."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are compared here with a limit of our own
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        with picture:
            if picture.mode not in (*_GREY, *_COLOUR):
                raise DatasetError(f"{name} has pixels of kind {picture.mode}; give 8 bits a channel, grey or RGB")
            if math.prod(picture.size) * _BYTES_A_PIXEL > max_bytes:
                size = "x".join(map(str, picture.size))
                raise DatasetError(
                    f"{name} announces {size} pixels, too many for {max_bytes / 1e6:g} MB: give a larger max_megabytes"
                )
            pixels = np.asarray(picture.convert("L" if picture.mode in _GREY else "RGB"))
    except DatasetError:
        raise
    except Exception as error:  # a damaged picture can break a decoder anywhere
        raise DatasetError(f"{name} is not a PNG or JPEG picture that can be read ({error})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
