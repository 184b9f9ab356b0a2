"""Tables as CSV files that are complete at any time."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gm_multimodal.cells import as_cell, from_cell
from gm_multimodal.errors import TooLarge, UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.reading import MAX_BYTES, check_size

_MOST_COLUMNS: Final = 200
_MOST_ROWS: Final = 200_000


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file with these columns; no cell is a formula, and `read_table` gives the rows back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: as_cell(text) for column, text in row.items()} for row in rows)
    write_atomically(path, text.getvalue())


def read_table(path: Path, numbers: Collection[str] = ()) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the columns and the rows of a CSV file; a row that is too short has empty cells at its end.

    Args:
        path: the file.
        numbers: columns whose cells are finite numbers or empty.

    Raises:
        UserInputError: It is not such a table, or is larger than any that this program writes.
    """
    rows: list[dict[str, str]] = []
    try:
        check_size(path, MAX_BYTES)
        with path.open(encoding="utf-8", newline="", errors="replace") as lines:
            reader = csv.DictReader(lines, restkey="", restval="")
            columns = tuple(reader.fieldnames or ())
            if len(columns) > _MOST_COLUMNS:
                raise csv.Error(f"it has {len(columns)} columns")
            for row in reader:
                if len(rows) == _MOST_ROWS:
                    raise csv.Error(f"it has more than {_MOST_ROWS} rows")
                _check_numbers(row, numbers, len(rows))
                rows.append({key: from_cell(cell) for key, cell in row.items() if key})
    except (csv.Error, TooLarge) as error:
        raise UserInputError(
            f"{path} is not a CSV table of such a run ({error}): move it away, or give another out=."
        ) from error
    return columns, rows


def _check_numbers(row: Mapping[str, str], columns: Collection[str], number: int) -> None:
    for column in columns:
        cell = row.get(column, "")
        try:
            is_number = not cell or math.isfinite(float(cell))
        except ValueError:
            is_number = False
        if not is_number:
            raise csv.Error(f"{column} of row {number + 1} is {cell[:20]!r}, not a number")
