"""The dataset on disk: a Parquet file per some files while structures are read, then one of all that is kept.

A shard is named by what decides its content (the files with their sizes and times, the criteria), so that it is done if
it is there; it is written under another name and renamed when it is complete. Rejections stand beside it as CSV.
"""

import codecs
import csv
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from gm_multimodal.cells import as_cell
from gm_multimodal.files import replacing
from gm_multimodal.printable import message, printable
from gm_multimodal.protein.parquet import batches, open_parquet
from gm_multimodal.protein.preparation.examine import Criteria, Outcome, Rejection, Stretch
from gm_multimodal.protein.preparation.sources import Source
from gm_multimodal.protein.residues import decode
from gm_multimodal.reading import DATASET_SHARE, MAX_DATASET_BYTES

MOST_FILES: Final = 64
"""Files of a shard at most; half as many on average."""

REJECTION_COLUMNS: Final = ("file", "chain", "residues", "reason", "number")

_ROWS_AT_ONCE: Final = 256
_ENDS: Final = 6  # of 256 names, after which a shard ends
_STATE: Final = "gm_multimodal.made_from"
_FIGURES: Final = "secondary structure by hydrogen bonds"  # shards with other figures are read anew
_COLUMNS: Final = {
    "id": pa.string(),
    "source": pa.string(),
    "chain": pa.string(),
    "model": pa.int32(),
    "sequence": pa.string(),
    "length": pa.int32(),
    "coordinates": pa.list_(pa.float32()),
    "first_residue": pa.int32(),
    "residue_numbers": pa.list_(pa.int32()),
    "insertion_codes": pa.list_(pa.string()),
    "positions": pa.list_(pa.int32()),
    "helix": pa.float32(),
    "strand": pa.float32(),
    "radius_of_gyration_ratio": pa.float32(),
    "resolution": pa.float32(),
    "plddt": pa.float32(),
}
_ADDED: Final = {"cluster30": pa.int32(), "split": pa.string()}
_SCALARS: Final = ("id", "source", "chain", "first_residue", "sequence", "resolution")


@final
@dataclass(frozen=True)
class Shard:
    """Some of the files.

    Attributes:
        sources: in order.
        path: the Parquet file that holds their chains once they are read.
        max_bytes: what that may unpack to.
    """

    sources: Sequence[Source]
    path: Path
    max_bytes: int = MAX_DATASET_BYTES

    @property
    def rejections(self) -> Path:
        """Where the rejections of these files are."""
        return self.path.with_suffix(".csv")

    def is_done(self) -> bool:
        """Whether the files were read; the Parquet file is written last."""
        return self.path.is_file()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write what the files gave, in their order."""
        with replacing(self.rejections) as file:
            writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
            for outcome in outcomes:
                writer.writerows(_cells(rejection) for rejection in outcome.rejected)
        rows = [_row(stretch) for outcome in outcomes for stretch in outcome.accepted]
        schema = pa.schema(_COLUMNS)
        with replacing(self.path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                writer.write_table(pa.Table.from_pylist(rows[start : start + _ROWS_AT_ONCE], schema))

    def scalars(self) -> Iterator[dict[str, Any]]:
        """Yield what tells a row apart, its sequence and its resolution, row by row."""
        with open_parquet(self.path, texts=_SCALARS) as file:
            for batch in batches(self.path, file, _SCALARS, self.max_bytes):
                yield from batch.to_pylist()


def plan(sources: Iterable[Source], criteria: Criteria, folder: Path) -> list[Shard]:
    """Divide the files into shards.

    A shard ends after a file whose name says so (by its hash), so that adding files changes few shards.
    """
    parts: list[list[Source]] = [[]]
    for source in sources:
        parts[-1].append(source)
        ends = hashlib.sha256(source.name.encode("utf-8", "replace")).digest()[0] < _ENDS
        if ends or len(parts[-1]) == MOST_FILES:
            parts.append([])
    limit = DATASET_SHARE * criteria.max_bytes
    return [Shard(part, folder / f"{_digest(part, criteria)}.parquet", limit) for part in parts if part]


def merge(
    shards: Iterable[Shard], path: Path, kept: Mapping[str, tuple[str, int, str]], state: str, *, with_positions: bool
) -> None:
    """Write the rows of all shards that are kept into one file, in order, a few hundred at a time.

    Args:
        shards: read completely.
        path: the file to write.
        kept: key of a row (`row_key`) -> (id, cluster, split).
        state: what the rows were made from, to be found by `rows_of`.
        with_positions: whether chains may have gaps, so that readers need the places along the chain.
    """
    columns = {name: kind for name, kind in _COLUMNS.items() if name != "positions" or with_positions}
    schema = pa.schema({**columns, **_ADDED}, metadata={_STATE: state})
    with replacing(path) as target, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for number, shard in enumerate(shards):
            with open_parquet(shard.path) as file:
                place = 0
                for batch in batches(shard.path, file, list(columns), shard.max_bytes):
                    keys = [row_key(number, place + i) for i in range(batch.num_rows)]
                    place += batch.num_rows
                    wanted = [i for i, key in enumerate(keys) if key in kept]
                    if not wanted:
                        continue
                    ids, clusters, splits = zip(*(kept[keys[i]] for i in wanted), strict=True)
                    table = pa.Table.from_batches([batch]).take(wanted)
                    table = table.set_column(0, "id", pa.array(ids, pa.string()))
                    table = table.append_column("cluster30", pa.array(clusters, pa.int32()))
                    writer.write_table(table.append_column("split", pa.array(splits, pa.string())).cast(schema))


def rows_of(path: Path, state: str) -> int | None:
    """Return the number of rows of a merged file if it was made from this state, otherwise None."""
    if not path.is_file():
        return None
    with open_parquet(path) as file:
        metadata = file.schema_arrow.metadata or {}
        return file.metadata.num_rows if metadata.get(_STATE.encode()) == state.encode() else None


def is_merged(path: Path) -> bool:
    """Return whether a file is one that `merge` wrote, whatever from; a copy that another program saved is not."""
    try:
        return _STATE.encode() in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def row_key(shard: int, row: int) -> str:
    """Return what tells a row of the shards, whatever its name."""
    return f"{shard}:{row}"


def write_rejections(path: Path, shards: Iterable[Shard], further: Sequence[Rejection]) -> None:
    """Write one table of all rejections, those of the files in order and then the further ones."""
    with replacing(path) as file:
        writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
        writer.writerow(REJECTION_COLUMNS)
        for shard in shards:
            file.write(shard.rejections.read_bytes())
        writer.writerows(_cells(rejection) for rejection in further)


def _digest(sources: Sequence[Source], criteria: Criteria) -> str:
    digest = hashlib.sha256(repr((_FIGURES, *dataclasses.astuple(criteria))).encode())
    for source in sources:
        try:
            state = source.path.stat()
            told: tuple[object, ...] = (state.st_size, state.st_mtime_ns)
        except OSError:  # an entry that no database has, or a file that has just gone
            told = ()
        digest.update(repr((source.name, source.chain, *told)).encode())
    return digest.hexdigest()[:20]


def _cells(rejection: Rejection) -> tuple[str, ...]:
    number = "" if rejection.number is None else f"{rejection.number:g}"
    return tuple(map(as_cell, (rejection.file, rejection.chain, rejection.residues, message(rejection.reason), number)))


def _row(stretch: Stretch) -> dict[str, Any]:
    return {
        "id": printable(stretch.id),
        "source": printable(stretch.source),
        "chain": stretch.chain,
        "model": stretch.model,
        "sequence": decode(stretch.backbone.tokens),
        "length": len(stretch.backbone),
        "coordinates": stretch.backbone.coordinates.ravel(),
        "first_residue": stretch.backbone.names[0].number,
        "residue_numbers": stretch.backbone.numbers,
        "insertion_codes": [name.insertion_code for name in stretch.backbone.names],
        "positions": stretch.backbone.position,
        "helix": stretch.shares.helix,
        "strand": stretch.shares.strand,
        "radius_of_gyration_ratio": stretch.gyration_ratio,
        "resolution": stretch.resolution,
        "plddt": stretch.plddt,
    }
