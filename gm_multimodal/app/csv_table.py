"""Tables as CSV files that are complete at any time."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gm_multimodal.files import write_atomically


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file with these columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())
