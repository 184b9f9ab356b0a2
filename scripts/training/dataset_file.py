"""Datasets as Parquet files, compressed as well as Parquet can, whole or not at all."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from gm_multimodal.files import write_atomically

ROWS_AT_ONCE: Final = 2000  # of a row group, so that a reader needs little memory


def write_dataset(table: pa.Table, out: Path) -> None:
    """Write a dataset; lists of integers are split by bytes, because but for the high ones they are noise."""
    content = io.BytesIO()
    lists = [field.name for field in table.schema if pa.types.is_list(field.type)]
    integers = [name for name in lists if pa.types.is_integer(table.schema.field(name).type.value_type)]
    settings = {
        "use_dictionary": [name for name in ("source", "split", "cluster30") if name in table.schema.names],
        "column_encoding": {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in integers},
        "row_group_size": ROWS_AT_ONCE,
    }
    pq.write_table(table, content, compression="zstd", compression_level=12, **settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content.getvalue())


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return the dataset with some columns, which replace those of the same name."""
    kept = table.drop_columns([name for name in columns if name in table.schema.names])
    for name, values in columns.items():
        kept = kept.append_column(name, values)
    return kept
