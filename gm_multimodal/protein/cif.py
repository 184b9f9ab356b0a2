"""mmCIF and BinaryCIF parsed with distrust: a few bytes may stand for gigabytes, in either form.

A parser makes a rectangular array of letters of each column, as wide as its widest value; BinaryCIF announces repeats
and sizes. What is about to be decoded is therefore measured first, and refused where it is more than a molecule has.
"""

import io
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgpack
import numpy as np
from biotite.structure.io.pdbx import BinaryCIFData, BinaryCIFFile, CIFFile

from gm_multimodal.errors import TooLarge

READ: Final = ("atom_site", "refine", "em_3d_reconstruction", "reflns", "exptl", "struct")
"""Categories that anything here decodes."""

MOST_ATOMS: Final = 20_000_000
"""Rows of a category; no entry of the Protein Data Bank has as many atoms."""

_SPREAD: Final = 8  # bytes in memory for one of a file: numpy takes four for each letter
_BYTES_A_LETTER: Final = 4
_BYTES_A_NUMBER: Final = 8
_BYTES_A_TEXT: Final = 50  # of Python's, with a letter or none
_SMALL: Final = 64_000_000  # bytes in memory that need no justification by the size of the text
_MOST_ITEMS: Final = 1_000_000  # of lists and maps; the columns of the largest files are some thousand
_MOST_TOGETHER: Final = 10_000  # of one list or map
_MOST_ENCODINGS: Final = 8  # one after the other; the format's own tools chain four
_QUOTED: Final = re.compile(rb"""(?<=\s)(["'])[^\n]*?\1(?=\s)""")
_NAMES: Final = re.compile(rb"\s*(?:_[^\n]*\n\s*)*")  # of the columns of a table, before its values
_TYPE_SIZES: Final = {1: 1, 2: 2, 3: 4, 4: 1, 5: 2, 6: 4, 32: 4, 33: 8}


def parse_cif(content: bytes, max_bytes: int) -> CIFFile:
    """Parse mmCIF.

    Raises:
        TooLarge: The values of a table take more than eight times `max_bytes` in memory.
        ValueError: One of them is so long that the others take no memory beside it.
    """
    for part in re.split(rb"^loop_", content, flags=re.MULTILINE):
        if any(b"_%s." % name.encode() in part for name in READ):
            _check_table(memoryview(part)[_names_end(part) :], max_bytes)
    # the letters outside ASCII are in names of authors, and no parser needs those
    return CIFFile.read(io.StringIO(content.decode("ascii", "replace")))


def parse_binary_cif(content: bytes, max_bytes: int) -> BinaryCIFFile:
    """Parse BinaryCIF; its columns are decoded later, when they are asked for.

    Raises:
        ValueError: What is read of it would take more than eight times `max_bytes`, or it is malformed.
    """
    items = 0

    def counted(part: Any) -> Any:
        nonlocal items
        items += len(part)
        if items > _MOST_ITEMS:
            raise ValueError(f"it has more than {_MOST_ITEMS} parts")
        return part

    limits = {"max_array_len": _MOST_TOGETHER, "max_map_len": _MOST_TOGETHER}
    tree = msgpack.unpackb(content, raw=False, list_hook=counted, object_hook=counted, **limits)
    for block in tree["dataBlocks"]:
        for category in block["categories"]:
            if category["name"].lstrip("_") in READ:
                _check_category(category, max_bytes)
    return BinaryCIFFile.deserialize(tree)


def _names_end(part: bytes) -> int:
    match = _NAMES.match(part)
    return match.end() if match else 0


def _check_table(part: memoryview, max_bytes: int) -> None:
    """Raise if the longest value would make room for the others that these never need; names of columns are gone."""
    is_blank = np.frombuffer(part, dtype=np.uint8) <= ord(" ")
    blanks = np.flatnonzero(np.concatenate([[True], is_blank, [True]]))
    gaps = np.diff(blanks) - 1
    values, longest = int((gaps > 0).sum()), int(gaps.max())
    if values * _BYTES_A_TEXT > _SPREAD * max_bytes:
        raise TooLarge(f"has a table of {values} values, too many for", max_bytes)
    longest = max([longest, *(len(match[0]) for match in _QUOTED.finditer(part))])
    longest = max([longest, *(len(text) for text in bytes(part).split(b"\n;")[1::2])])  # text fields of several lines
    if values * longest * _BYTES_A_LETTER > 2 * _SPREAD * len(part) + _SMALL:
        raise ValueError(f"one of its values has {longest} letters, too many for a table of {values}")


def _check_category(category: Mapping[str, Any], max_bytes: int) -> None:
    size = 0
    for column in category["columns"]:
        for data in (column["data"], column["mask"]):
            if data is not None:
                size += _decoded_size(data)
        if size > _SPREAD * max_bytes:
            raise ValueError(
                f"its category {category['name']} takes more than {_SPREAD * max_bytes / 1e6:g} MB decoded"
            )


def _decoded_size(data: Mapping[str, Any]) -> int:
    """Return how many bytes a column takes while it is decoded, at most."""
    encodings = data["encoding"]
    if encodings and encodings[0]["kind"] == "StringArray":
        texts = encodings[0]
        if len(encodings) > 1:
            raise ValueError("it encodes numbers as text")
        offsets = {"data": texts["offsets"], "encoding": texts["offsetEncoding"]}
        size = _BYTES_A_NUMBER * _rows(offsets)
        bounds = BinaryCIFData.deserialize(offsets).array.astype(np.int64)
        widths = np.diff(bounds)
        if len(bounds) and (bounds[0] < 0 or (widths < 0).any() or bounds[-1] > len(texts["stringData"])):
            raise ValueError("its texts overlap")
        rows = _rows({"data": data["data"], "encoding": texts["dataEncoding"]})
        widest = int(widths.max(initial=0))
        each_text = _BYTES_A_TEXT + _BYTES_A_LETTER * widest
        return size + _BYTES_A_NUMBER * rows + _BYTES_A_LETTER * widest * rows + each_text * len(bounds)
    return _BYTES_A_NUMBER * _rows(data)


def _rows(data: Mapping[str, Any]) -> int:
    """Return the greatest number of elements between any two steps of decoding numbers."""
    encodings = data["encoding"]
    if len(encodings) > _MOST_ENCODINGS:
        raise ValueError(f"it encodes a column {len(encodings)} times")
    return max(_sizes(encodings, len(data["data"])), default=0)


def _sizes(encodings: list[Mapping[str, Any]], count: int) -> Iterator[int]:
    for encoding in reversed(encodings):
        match encoding["kind"]:
            case "ByteArray":
                count = math.ceil(count / _TYPE_SIZES[encoding["type"]])
            case "RunLength" | "IntegerPacking":
                count = encoding.get("srcSize")
                if type(count) is not int or not 0 <= count <= MOST_ATOMS:
                    raise ValueError(f"it announces {str(count)[:20]} rows; 0 to {MOST_ATOMS} can be read")
            case "FixedPoint" | "IntervalQuantization" | "Delta":
                pass
            case kind:
                raise ValueError(f"it encodes numbers as {str(kind)[:40]}")
        yield count
