"""Chains to train on, read from Parquet: one row per chain, in a file or in the files of a folder.

Required columns: ``id``, ``source``, ``sequence``, ``length``, ``coordinates`` (N, CA, C, O in the order of
[length, 4, 3]; a list of floats in Angstrom, or of integers in hundredths of an Angstrom), ``cluster30`` (integer) and
``split`` (train, validation or test).
Optional columns, each of which may be empty in some rows: ``dssp`` (one DSSP letter per residue) is the secondary
structure; ``positions`` (places along the chain, which jump where residues are missing) allows chains with gaps;
``chain_lengths`` (residues of each chain, in order) allows rows of several chains; ``redesigned`` is another sequence
for the same backbone, as ProteinMPNN draws it; ``soft_context`` and ``soft_levels`` are what it says of hidden residue
types (`soft_targets`). Further columns are ignored.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gm_multimodal.errors import DatasetError, EmptyDataset, TooLarge, UserInputError
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.breaks import LONGEST_CA_CA, LONGEST_PEPTIDE_BOND, bonded
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY, Chains, Row, secondary_codes
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure, shares
from gm_multimodal.protein.parquet import batches, open_parquet
from gm_multimodal.protein.residues import MASK, RESIDUES, encode
from gm_multimodal.protein.soft_targets import CONTEXT, LEVELS, MOST_LEVEL, Pattern
from gm_multimodal.reading import MAX_DATASET_BYTES, check_size

REDESIGNED: Final = "redesigned"
NATIVE, SOFT = "native", "soft"
_COLUMNS_OF: Final = {NATIVE: (), REDESIGNED: (REDESIGNED,), SOFT: (CONTEXT, LEVELS)}
_ADDED_BY: Final = {REDESIGNED: "scripts/training/redesign.py", SOFT: "scripts/training/soft_targets.py"}

SEQUENCES: Final = tuple(_COLUMNS_OF)
"""What the sequence of a row may be: its own, a redesigned one, or its own with soft targets."""

REQUIRED_COLUMNS: Final = ("id", "source", "sequence", "length", "coordinates", "cluster30", "split")
UNITS_PER_ANGSTROM: Final = 100
"""Integer coordinates are whole numbers of this part of an Angstrom."""

_TEXTS: Final = ("id", "sequence", "split", "dssp", REDESIGNED)
_INTEGERS: Final = ("positions", "chain_lengths", CONTEXT, LEVELS)  # lists of them
_LONGEST_NAME: Final = 1000
_MOST_CODE: Final = 1 << 60  # of a cluster
_MOST_PATTERNS: Final = 64  # of a row; a batch holds the laws of all
_SHOWN: Final = 5
_SHOWN_LETTERS: Final = 100


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

    def refuse_chain(self, row: Row, dssp: str | None) -> str | None:
        xyz = row.backbone.coordinates
        if (row.backbone.is_bonded & ~bonded(xyz)).any():
            return f"chain break (C-N above {LONGEST_PEPTIDE_BOND:g} or CA-CA above {LONGEST_CA_CA:g} Angstrom)"
        if self.max_gyration_ratio is not None and gyration_ratio(xyz) > self.max_gyration_ratio:
            return f"radius of gyration above {self.max_gyration_ratio} x 2.2 L^0.38 Angstrom"
        if self.max_coil is not None and shares(dssp or secondary_structure(row.backbone)).coil > self.max_coil:
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
    sequences: str = NATIVE,
    max_bytes: int = MAX_DATASET_BYTES,
) -> Chains:
    """Read the chains of a Parquet file, or of all ``*.parquet`` files of a folder, that pass every filter.

    Chains with a break that their positions do not tell (`breaks.bonded`) are always left out.

    Args:
        path: File or folder.
        split: Value of the column ``split`` to keep; None keeps all.
        min_length: Least number of residues.
        max_length: Greatest number of residues.
        max_gyration_ratio: Greatest radius of gyration over 2.2 L^0.38 Angstrom; None keeps all.
        max_coil: Greatest share of residues in neither helix nor strand, by the column ``dssp`` where the file has
            it and otherwise by the hydrogen bonds of the row; None keeps all.
        sequences: One of `SEQUENCES`: ``redesigned`` takes the sequence of that column for the chains that have one
            there, ``soft`` the soft targets of those that have some.
        max_bytes: Refuse files that are larger, or unpack to more; those of a folder together.

    Raises:
        DatasetError: Nothing can be read, it is too large, a column is missing, or a row is malformed.
        EmptyDataset: No row passes the filters.
    """
    keep = _Filter(split, min_length, max_length, max_gyration_ratio, max_coil)
    refused: Counter[str] = Counter()
    rows: list[Row] = []
    files = _parquet_files(Path(path))
    for file in files:
        for values in _read_rows(file, keep, refused, sequences, max_bytes // len(files)):
            row = _decode_row(file, values)
            reason = keep.refuse_chain(row, values["dssp"])
            if reason is None:
                rows.append(row)
            else:
                refused[reason] += 1
    if not rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in refused.most_common(_SHOWN)) or "it has no rows"
        raise EmptyDataset(f"no chain of {path} can be used: {reasons}")
    return Chains(rows)


def backbone_of(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the backbone, [L, 4, 3] in Angstrom, of one value of the column ``coordinates``."""
    array = np.asarray(values)
    in_angstrom = array / UNITS_PER_ANGSTROM if np.issubdtype(array.dtype, np.integer) else array
    return in_angstrom.astype(np.float32).reshape(-1, 4, 3)


def _parquet_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.parquet"))
    if not files:
        state = "has no *.parquet file" if path.is_dir() else "does not exist"
        raise DatasetError(f"dataset {path} {state}; name a Parquet file of chains or a folder of them")
    return files


def _read_rows(
    file: Path, keep: _Filter, refused: Counter[str], sequences: str, max_bytes: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file that pass by split and length, without building the lists of the others."""
    try:
        check_size(file, max_bytes)
    except TooLarge as error:
        raise DatasetError(f"{file} {error.reason}: give a larger max_megabytes") from error
    with open_parquet(file, texts=_TEXTS) as table:
        # A column that was written with nothing in it has no type of its own.
        schema = pa.schema([column for column in table.schema_arrow if not pa.types.is_null(column.type)])
        _check_columns(file, schema, sequences)
        columns = ["id", "sequence", "length", "coordinates", "cluster30", "split"]
        optional = ("dssp", "positions", "chain_lengths", *_COLUMNS_OF[sequences])
        absent = dict.fromkeys((*optional, REDESIGNED, CONTEXT, LEVELS))
        columns += [name for name in optional if name in schema.names]
        lists = [name for name in ("coordinates", *_INTEGERS) if name in columns]
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


def _check_columns(file: Path, schema: pa.Schema, sequences: str) -> None:
    wanted = (*REQUIRED_COLUMNS, *_COLUMNS_OF[sequences])
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        is_only_that = not set(missing) & set(REQUIRED_COLUMNS)
        hint = f"; {_ADDED_BY[sequences]} adds {', '.join(missing)}" if is_only_that else ""
        raise DatasetError(f"{file} lacks the columns {', '.join(missing)}; expected: {', '.join(wanted)}{hint}")
    kind = schema.field("coordinates").type
    if not (_is_list(kind) and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))):
        raise DatasetError(f"{file}: column coordinates is {kind}, not a list of floats or integers")
    for name in (name for name in _TEXTS if name in schema.names):
        kind = schema.field(name).type
        if not (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)):
            raise DatasetError(f"{file}: column {name} is {kind}, not text")
    for name in (name for name in _INTEGERS if name in schema.names):
        kind = schema.field(name).type
        if not (_is_list(kind) and pa.types.is_integer(kind.value_type)):
            raise DatasetError(f"{file}: column {name} is {kind}, not a list of integers")
    for name in ("length", "cluster30"):
        if not pa.types.is_integer(schema.field(name).type):
            raise DatasetError(f"{file}: column {name} is {schema.field(name).type}, not integer")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _decode_row(file: Path, row: dict[str, Any]) -> Row:
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
    coordinates = backbone_of(values.to_numpy(zero_copy_only=False).copy())
    if not np.isfinite(coordinates).all():
        raise DatasetError(f"{where}: coordinates hold values that are missing or not finite")
    positions, chain = _decode_places(where, row)
    dssp = row["dssp"]
    secondary = np.full(length, UNKNOWN_SECONDARY) if dssp is None else secondary_codes(dssp)
    patterns = _decode_patterns(where, row)
    return Row(row["id"], Backbone(coordinates, tokens, chain, positions), row["cluster30"], secondary, patterns)


def _integers(where: str, row: dict[str, Any], name: str) -> npt.NDArray[np.int64] | None:
    """Return the list of integers in one column, or None where the row has none."""
    values = None if row[name] is None else row[name].values
    if values is None:
        return None
    if values.null_count:
        raise DatasetError(f"{where}: {name} hold values that are missing")
    return np.array(values.to_numpy(), dtype=np.int64)


def _decode_places(where: str, row: dict[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the places along the chain and the number of the chain of every residue, [L] each."""
    length = row["length"]
    sizes, positions = _integers(where, row, "chain_lengths"), _integers(where, row, "positions")
    if sizes is None:
        sizes = np.array([length])
    if len(sizes) > length or sizes.min(initial=1) < 1 or sizes.max(initial=0) > length or sizes.sum() != length:
        raise DatasetError(f"{where}: chain_lengths are not whole numbers from 1 on that add up to {length}")
    chain = np.repeat(np.arange(len(sizes)), sizes)
    if positions is None:
        positions = np.arange(length) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    if len(positions) != length or (np.diff(positions)[np.diff(chain) == 0] < 1).any():
        raise DatasetError(f"{where}: positions are not {length} whole numbers that grow along each chain")
    return positions, chain


def _decode_patterns(where: str, row: dict[str, Any]) -> tuple[Pattern, ...]:
    context, levels = _integers(where, row, CONTEXT), _integers(where, row, LEVELS)
    if context is None and levels is None:
        return ()
    if context is None or levels is None:
        raise DatasetError(f"{where} has one of {CONTEXT} and {LEVELS}, not both")
    length, types = row["length"], len(RESIDUES)
    if len(context) % length or context.min(initial=0) < 0 or context.max(initial=0) > MASK:
        raise DatasetError(f"{where}: {CONTEXT} are not {length} numbers from 0 to {MASK} for each pattern")
    if len(context) > _MOST_PATTERNS * length:
        raise DatasetError(f"{where}: it has {len(context) // length} patterns, more than {_MOST_PATTERNS}")
    patterns = context.astype(np.int8).reshape(-1, length)
    hidden = (patterns == MASK).sum(-1)
    if len(levels) != types * hidden.sum() or levels.min(initial=0) < 0 or levels.max(initial=0) > MOST_LEVEL:
        wanted = f"{types} numbers from 0 to {MOST_LEVEL} for each {MASK} of {CONTEXT}"
        raise DatasetError(f"{where}: {LEVELS} are not {wanted}")
    laws = levels.astype(np.uint8).reshape(-1, types)
    if not hidden.all() or not laws.any(-1).all():
        raise DatasetError(f"{where}: a pattern hides nothing, or a law is 0 everywhere")
    parts = np.split(laws, np.cumsum(hidden)[:-1])
    return tuple(Pattern(tokens, part) for tokens, part in zip(patterns, parts, strict=True))
