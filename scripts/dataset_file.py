"""Datasets as Parquet files, compressed as well as Parquet can, whole or not at all."""

import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gm_multimodal.files import write_atomically


def write_dataset(table: pa.Table, out: Path) -> None:
    """Write a dataset; integer coordinates are split by bytes, because but for the high ones they are noise."""
    content = io.BytesIO()
    is_integer = pa.types.is_integer(table.schema.field("coordinates").type.value_type)
    encoding = {"coordinates.list.element": "BYTE_STREAM_SPLIT"} if is_integer else None
    words = [name for name in ("source", "split", "cluster30") if name in table.schema.names]
    settings = {"use_dictionary": words, "column_encoding": encoding}
    pq.write_table(table, content, compression="zstd", compression_level=12, **settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content.getvalue())


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return the dataset with some columns, which replace those of the same name."""
    kept = table.drop_columns([name for name in columns if name in table.schema.names])
    for name, values in columns.items():
        kept = kept.append_column(name, values)
    return kept
