"""Parquet read with distrust: what its pages unpack to is added up before the first of them is read.

A file of a few kilobytes may hold a million rows of a megabyte: pages are compressed, repeated values are stored once,
and the footer says of their sizes what it likes. The headers of the pages do not lie, because the reader that comes
afterwards goes by the same numbers.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gm_multimodal.errors import DatasetError
from gm_multimodal.protein.thrift import Malformed, Struct, read_struct

ROWS_AT_ONCE: Final = 512

_MOST_FOOTER: Final = 16_000_000
_MOST_PAGE_HEADER: Final = 16_000_000
_FIRST_LOOK: Final = 4096  # bytes, in which almost every page header ends
_BYTES_A_ROW: Final = 1000  # of Python's objects around a row
_LONGEST_TEXT: Final = 100_000  # letters; the longest known protein has 45,000 residues
_GROWTH: Final = 2  # how much larger a buffer may be than what is in it
_LEVEL: Final = 2  # bytes that a reader takes for each value to place it in lists
_LARGE_PAGE: Final = 8  # how many times a page must fit into the limit, because a reader copies it
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
_DICTIONARY_PAGE: Final = 2


@contextmanager
def open_parquet(path: Path, *, texts: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; whatever is wrong with it, then or while it is read, becomes one error.

    Args:
        path: the file.
        texts: columns of text, of which each value is kept once.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        if _footer_size(path) > _MOST_FOOTER:
            most = f"{_MOST_FOOTER / 1e6:g} MB"
            raise DatasetError(f"{path} cannot be read as Parquet: its end announces a footer of more than {most}")
        limits = {"thrift_string_size_limit": _MOST_FOOTER, "thrift_container_size_limit": 1_000_000}
        metadata = pq.ParquetFile(path, **limits).metadata
        columns = [metadata.schema.column(k) for k in range(metadata.num_columns)]
        kept_once = [c.path for c in columns if c.path in texts and c.physical_type == "BYTE_ARRAY"]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=kept_once, **limits) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or "memory does not suffice"
        raise DatasetError(f"{path} cannot be read as Parquet: {reason}") from error


def batches(path: Path, file: pq.ParquetFile, columns: Sequence[str], max_bytes: int) -> Iterator[pa.RecordBatch]:
    """Yield some columns, a few hundred rows at a time, once they are known to take no more memory than that.

    Raises:
        DatasetError: They unpack to more, or hold a text that is longer than any protein.
    """
    _check_sizes(path, file, columns, max_bytes)
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if isinstance(column, pa.DictionaryArray):
                longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
                if longest > _LONGEST_TEXT:
                    raise DatasetError(f"{path}: column {name} has a value of {longest} letters: too long")
        yield batch


def _footer_size(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8))
        return int.from_bytes(file.read(4), "little")


def _check_sizes(path: Path, file: pq.ParquetFile, columns: Sequence[str], max_bytes: int) -> None:
    metadata = file.metadata
    needed = [k for k in range(metadata.num_columns) if metadata.schema.column(k).path.split(".")[0] in columns]
    megabytes = f"{max_bytes / 1e6:g} MB"
    total = 0
    with path.open("rb") as content:
        for number in range(metadata.num_row_groups):
            group, at_once = metadata.row_group(number), 0
            total += group.num_rows * _BYTES_A_ROW
            for k in needed:
                unpacked, values, page = _measure(path, content, group.column(k))
                description = metadata.schema.column(k)
                width = _WIDTHS.get(description.physical_type, description.length)
                levels = _LEVEL * ((description.max_definition_level > 0) + (description.max_repetition_level > 0))
                total += max(unpacked, values * width)
                at_once += _GROWTH * values * (width + levels)
                if page * _LARGE_PAGE > max_bytes:
                    raise DatasetError(
                        f"{path}: a page of column {description.path} unpacks to {page / 1e6:.0f} MB, too large for "
                        f"{megabytes}: write smaller pages, or give a larger max_megabytes"
                    )
            if total > max_bytes:
                raise DatasetError(f"{path} unpacks to more than {megabytes}: give a larger max_megabytes")
            if at_once > max_bytes:
                raise DatasetError(
                    f"{path}: row group {number + 1} may take {at_once / 1e6:.0f} MB at once, more than {megabytes}: "
                    "write smaller row groups, or give a larger max_megabytes"
                )


def _measure(path: Path, content: IO[bytes], chunk: Any) -> tuple[int, int, int]:
    """Return the bytes that the pages of a column chunk unpack to, their values, and the bytes of the largest page."""
    start = chunk.data_page_offset
    if chunk.dictionary_page_offset:  # 0 is written by some for none
        start = min(start, chunk.dictionary_page_offset)
    stop = start + chunk.total_compressed_size
    unpacked = values = largest = 0
    while values < chunk.num_values and start < stop:
        header, length = _page_header(path, content, start)
        kind, size, packed = (header.number(field) for field in (1, 2, 3))
        count = sum(header.inner(field).number(1) for field in (5, 8))  # of the old and of the new kind of page
        if min(size, packed, count) < 0:
            raise DatasetError(f"{path} cannot be read as Parquet: a page announces less than nothing")
        values += 0 if kind == _DICTIONARY_PAGE else count
        unpacked += size
        largest = max(largest, size)
        start += length + packed
    return unpacked, values, largest


def _page_header(path: Path, content: IO[bytes], start: int) -> tuple[Struct, int]:
    for size in (_FIRST_LOOK, _MOST_PAGE_HEADER):
        content.seek(start)
        try:
            return read_struct(content.read(size))
        except Malformed as error:
            reason = error
    raise DatasetError(f"{path} cannot be read as Parquet: a page header is damaged") from reason
