"""Tables as CSV files that are complete at any time."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gm_multimodal.cells import as_cell, from_cell
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file with these columns; no cell is a formula, and `read_table` gives the rows back."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: as_cell(text) for column, text in row.items()} for row in rows)
    write_atomically(path, text.getvalue())


def read_table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the columns and the rows of a CSV file; a row that is too short has empty cells at its end.

    Raises:
        UserInputError: It is not a table.
    """
    with path.open(encoding="utf-8", newline="", errors="replace") as lines:
        reader = csv.DictReader(lines, restkey="", restval="")
        try:
            rows = [{key: from_cell(cell) for key, cell in row.items() if key} for row in reader]
        except csv.Error as error:
            raise UserInputError(f"{path} is not a CSV table ({error}): move it away, or give another out=.") from error
    return tuple(reader.fieldnames or ()), rows
