"""Files of others read with distrust: how large they are decides before they take memory, whatever they say of it."""

import gzip
import io
import os
from pathlib import Path
from typing import IO, Final

from gm_multimodal.errors import TooLarge

MAX_BYTES: Final = 128_000_000
"""Largest file that is read where nobody says otherwise, as it lies and unpacked."""

MAX_DATASET_BYTES: Final = 1_000_000_000
"""The same of a dataset."""

DATASET_SHARE: Final = 8
"""How many times as large as one structure a dataset may be where both are read."""

_CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_MOST_HEADER: Final = 10_000_000
_MOST_WEIGHTS: Final = 256_000_000


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return what a file holds; gzipped content, whatever its name, is unpacked.

    Raises:
        TooLarge: It has more bytes, or expands to more.
        OSError: It cannot be read, or is damaged.
    """
    with open_unpacked(path, max_bytes) as file:
        content = read_at_most(file, max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLarge("expands to more than", max_bytes)
    return bytes(content)


def open_unpacked(path: Path, max_bytes: int) -> io.BufferedIOBase:
    """Open a file to read it by `read_at_most`, unpacked if its content is gzipped.

    Raises:
        TooLarge: It has more bytes as it lies.
    """
    check_size(path, max_bytes)
    with path.open("rb") as file:
        is_gzipped = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path, "rb") if is_gzipped else path.open("rb")


def read_at_most(file: IO[bytes] | io.BufferedIOBase, size: int) -> bytearray:
    """Return the next `count` bytes of a file, or what it has; what it does not have takes no memory."""
    content = bytearray()
    while len(content) < size and (part := file.read(min(_CHUNK, size - len(content)))):
        content += part
    return content


def check_size(path: Path, max_bytes: int) -> None:
    """Raise if a file has more bytes.

    Raises:
        TooLarge: It has.
    """
    if os.stat(path).st_size > max_bytes:
        raise TooLarge("is larger than", max_bytes)


def check_weights(path: Path) -> None:
    """Raise if a safetensors file, or the header that it announces, is larger than any of this program.

    Tensors cannot be larger than the file: the format has no compression, and its reader compares their sizes with it.

    Raises:
        TooLarge: It is.
    """
    check_size(path, _MOST_WEIGHTS)
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _MOST_HEADER:
            raise TooLarge("announces a header of more than", _MOST_HEADER)
