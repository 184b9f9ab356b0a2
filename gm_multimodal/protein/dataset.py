"""Chains to train on, read from Parquet: one row per chain, in a file or in the files of a folder.

Required columns: ``id``, ``source``, ``sequence``, ``length``, ``coordinates`` (list of floats, in the order of
[length, 4, 3]: N, CA, C, O in Angstrom), ``cluster30`` (integer) and ``split`` (train, validation or test).
The optional column ``dssp`` (one DSSP letter per residue) serves the filter on coil; ``positions`` (places along the
chain, which jump where residues are missing) allows chains with gaps; ``redesigned`` is another sequence for the same
backbone, as ProteinMPNN draws it, where there is one. Further columns are ignored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gm_multimodal.errors import DatasetError, EmptyDataset, TooLarge, UserInputError
from gm_multimodal.protein.breaks import LONGEST_CA_CA
from gm_multimodal.protein.metrics.geometry import ca_ca_distances, gyration_ratio
from gm_multimodal.protein.parquet import batches, open_parquet
from gm_multimodal.protein.residues import encode
from gm_multimodal.reading import MAX_DATASET_BYTES, check_size

REDESIGNED: Final = "redesigned"
REQUIRED_COLUMNS: Final = ("id", "source", "sequence", "length", "coordinates", "cluster30", "split")
_REGULAR_DSSP: Final = frozenset("HGIEB")  # helices and strands; every other letter is coil
_TEXTS: Final = ("id", "sequence", "split", "dssp", REDESIGNED)
_LONGEST_NAME: Final = 1000
_MOST_CODE: Final = 1 << 60  # of a cluster
_SHOWN: Final = 5
_SHOWN_LETTERS: Final = 100


@dataclass(frozen=True)
class Chains:
    """Protein chains of a dataset; position i of every field describes chain i.

    Attributes:
        ids: Names.
        coordinates: Backbones, each [L, 4, 3] float32: N, CA, C, O in Angstrom.
        tokens: Residue types, each [L] int64 in 0..19.
        clusters: Codes of the clusters at 30 % sequence identity, [len(self)] int64.
        positions: Places along the chain, each [L] int64, growing; they jump where residues are missing.
    """

    ids: list[str]
    coordinates: list[npt.NDArray[np.float32]]
    tokens: list[npt.NDArray[np.int64]]
    clusters: npt.NDArray[np.int64]
    positions: list[npt.NDArray[np.int64]]

    def __len__(self) -> int:
        """Return the number of chains."""
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Residues of each chain, [len(self)]."""
        return np.array([len(tokens) for tokens in self.tokens], dtype=np.int64)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> "Chains":
        """Return the chains at ``indices``, in that order; arrays are shared, not copied."""
        return Chains(
            [self.ids[i] for i in indices],
            [self.coordinates[i] for i in indices],
            [self.tokens[i] for i in indices],
            self.clusters[np.asarray(indices, dtype=np.int64)],
            [self.positions[i] for i in indices],
        )

    def followed_by(self, other: "Chains") -> "Chains":
        """Return these chains and then those of another dataset, whose codes of clusters mean something else."""
        codes = other.clusters + (self.clusters.max() - other.clusters.min() + 1)
        return Chains(
            [*self.ids, *other.ids],
            [*self.coordinates, *other.coordinates],
            [*self.tokens, *other.tokens],
            np.concatenate([self.clusters, codes]),
            [*self.positions, *other.positions],
        )


@dataclass(frozen=True)
class _Filter:
    """Decides which rows are kept; each method returns the reason against a row, or None."""

    split: str | None
    min_length: int
    max_length: int
    max_gyration_ratio: float | None
    max_coil: float | None

    def refuse_row(self, length: int, split: str) -> str | None:
        if self.split is not None and split != self.split:
            return f"in split {split!r}"
        if not self.min_length <= length <= self.max_length:
            return f"length not in {self.min_length}..{self.max_length}"
        return None

    def refuse_chain(
        self, coordinates: npt.NDArray[np.float32], positions: npt.NDArray[np.int64], dssp: str | None
    ) -> str | None:
        if (ca_ca_distances(coordinates)[np.diff(positions) == 1] > LONGEST_CA_CA).any():
            return f"chain break (consecutive CA-CA above {LONGEST_CA_CA} Angstrom)"
        if self.max_gyration_ratio is not None and gyration_ratio(coordinates) > self.max_gyration_ratio:
            return f"radius of gyration above {self.max_gyration_ratio} x 2.2 L^0.38 Angstrom"
        if self.max_coil is not None and _coil_share(coordinates, dssp) > self.max_coil:
            return f"coil share above {self.max_coil}"
        return None


def read_chains(
    path: str | Path,
    *,
    split: str | None,
    min_length: int,
    max_length: int,
    max_gyration_ratio: float | None = None,
    max_coil: float | None = None,
    redesigned: bool = False,
    max_bytes: int = MAX_DATASET_BYTES,
) -> Chains:
    """Read the chains of a Parquet file, or of all ``*.parquet`` files of a folder, that pass every filter.

    Chains with a break that their positions do not tell (CA-CA above 4.2 Angstrom) are always left out.

    Args:
        path: File or folder.
        split: Value of the column ``split`` to keep; None keeps all.
        min_length: Least number of residues.
        max_length: Greatest number of residues.
        max_gyration_ratio: Greatest radius of gyration over 2.2 L^0.38 Angstrom; None keeps all.
        max_coil: Greatest share of residues in neither helix nor strand, by the column ``dssp`` where the file has
            it and otherwise by P-SEA, which finds about 0.15 more coil; None keeps all.
        redesigned: Take the sequence of the column ``redesigned`` for the chains that have one there.
        max_bytes: Refuse files that are larger, or unpack to more; those of a folder together.

    Raises:
        DatasetError: Nothing can be read, it is too large, a column is missing, or a row is malformed.
        EmptyDataset: No row passes the filters.
    """
    keep = _Filter(split, min_length, max_length, max_gyration_ratio, max_coil)
    refused: Counter[str] = Counter()
    ids: list[str] = []
    coordinates: list[npt.NDArray[np.float32]] = []
    tokens: list[npt.NDArray[np.int64]] = []
    clusters: list[int] = []
    positions: list[npt.NDArray[np.int64]] = []
    files = _parquet_files(Path(path))
    for file in files:
        for row in _read_rows(file, keep, refused, redesigned, max_bytes // len(files)):
            xyz, types, places = _decode_row(file, row)
            reason = keep.refuse_chain(xyz, places, row["dssp"])
            if reason is not None:
                refused[reason] += 1
                continue
            ids.append(row["id"])
            coordinates.append(xyz)
            tokens.append(types)
            clusters.append(row["cluster30"])
            positions.append(places)
    if not ids:
        reasons = "; ".join(f"{count} {reason}" for reason, count in refused.most_common(_SHOWN)) or "it has no rows"
        raise EmptyDataset(f"no chain of {path} can be used: {reasons}")
    return Chains(ids, coordinates, tokens, np.array(clusters, dtype=np.int64), positions)


def _parquet_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.parquet"))
    if not files:
        state = "has no *.parquet file" if path.is_dir() else "does not exist"
        raise DatasetError(f"dataset {path} {state}; name a Parquet file of chains or a folder of them")
    return files


def _read_rows(
    file: Path, keep: _Filter, refused: Counter[str], redesigned: bool, max_bytes: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file that pass by split and length, without building the lists of the others."""
    wanted = (*REQUIRED_COLUMNS, REDESIGNED) if redesigned else REQUIRED_COLUMNS
    try:
        check_size(file, max_bytes)
    except TooLarge as error:
        raise DatasetError(f"{file} {error.reason}: give a larger max_megabytes") from error
    with open_parquet(file, texts=_TEXTS) as table:
        _check_columns(file, table.schema_arrow, wanted)
        columns = ["id", "sequence", "length", "coordinates", "cluster30", "split"]
        may_be_used = {"dssp": keep.max_coil is not None, "positions": True, REDESIGNED: redesigned}
        optional, absent = [name for name, is_used in may_be_used.items() if is_used], dict.fromkeys(may_be_used)
        columns += [name for name in optional if name in table.schema_arrow.names]
        lists = [name for name in ("coordinates", "positions") if name in columns]
        for batch in batches(file, table, columns, max_bytes):
            rows = batch.drop_columns(lists).to_pylist()
            for number, row in enumerate(rows):
                missing = [name for name, value in row.items() if value is None and name not in optional]
                if missing:
                    raise DatasetError(
                        f"{file}: row {str(row['id'])[:_SHOWN_LETTERS]!r} has no value in column {missing[0]}"
                    )
                _check_row(file, row)
                reason = keep.refuse_row(row["length"], row["split"])
                if reason is not None:
                    refused[reason] += 1
                    continue
                yield absent | row | {name: batch[name][number] for name in lists}


def _check_row(file: Path, row: dict[str, Any]) -> None:
    for name in ("id", "split"):
        if len(row[name]) > _LONGEST_NAME:
            raise DatasetError(f"{file}: column {name} has a value of {len(row[name])} letters; give a short name")
    if not abs(row["cluster30"]) < _MOST_CODE:
        raise DatasetError(f"{file}: row {row['id']!r} has the cluster {row['cluster30']}; give smaller numbers")


def _check_columns(file: Path, schema: pa.Schema, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        hint = f"; scripts/redesign.py adds {REDESIGNED}" if missing == [REDESIGNED] else ""
        raise DatasetError(f"{file} lacks the columns {', '.join(missing)}; wanted are {', '.join(wanted)}{hint}")
    if not _is_list_of_floats(schema.field("coordinates").type):
        raise DatasetError(f"{file}: column coordinates is {schema.field('coordinates').type}, not a list of floats")
    for name in (name for name in _TEXTS if name in schema.names):
        kind = schema.field(name).type
        if not (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)):
            raise DatasetError(f"{file}: column {name} is {kind}, not text")
    if "positions" in schema.names and not _is_list_of_integers(schema.field("positions").type):
        raise DatasetError(f"{file}: column positions is {schema.field('positions').type}, not a list of integers")
    for name in ("length", "cluster30"):
        if not pa.types.is_integer(schema.field(name).type):
            raise DatasetError(f"{file}: column {name} is {schema.field(name).type}, not integer")


def _is_list_of_integers(kind: pa.DataType) -> bool:
    return bool((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_integer(kind.value_type))


def _is_list_of_floats(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_floating(kind.value_type))


def _decode_row(
    file: Path, row: dict[str, Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return coordinates, tokens and positions."""
    where = f"{file}: row {row['id']!r}"
    length = row["length"]
    try:
        tokens = encode(row["sequence"] if row[REDESIGNED] is None else row[REDESIGNED])
    except UserInputError as error:
        raise DatasetError(f"{where}: {error}") from error
    if len(tokens) != length:
        raise DatasetError(f"{where}: length is {length}, but the sequence has {len(tokens)} letters")
    if row["dssp"] is not None and len(row["dssp"]) != length:
        raise DatasetError(f"{where}: length is {length}, but dssp has {len(row['dssp'])} letters")
    values = row["coordinates"].values
    if values is None or len(values) != length * 12:
        count = 0 if values is None else len(values)
        raise DatasetError(f"{where}: {length} residues need {length * 12} coordinates, not {count}")
    # a copy: a view would keep the whole batch alive for the sake of one chain
    coordinates = np.array(values.to_numpy(zero_copy_only=False), dtype=np.float32).reshape(length, 4, 3)
    if not np.isfinite(coordinates).all():
        raise DatasetError(f"{where}: coordinates hold values that are missing or not finite")
    given = None if row["positions"] is None else row["positions"].values
    if given is not None and given.null_count:
        raise DatasetError(f"{where}: positions hold values that are missing")
    positions = np.arange(length) if given is None else np.array(given.to_numpy(), dtype=np.int64)
    if len(positions) != length or (np.diff(positions) < 1).any():
        raise DatasetError(f"{where}: positions are not {length} growing whole numbers")
    return coordinates, tokens, positions


def _coil_share(coordinates: npt.NDArray[np.float32], dssp: str | None) -> float:
    if dssp is not None:
        return sum(letter not in _REGULAR_DSSP for letter in dssp) / len(dssp)
    # here, because only this filter needs biotite
    from gm_multimodal.protein.metrics.secondary_structure import secondary_structure_shares

    return secondary_structure_shares(coordinates).coil
