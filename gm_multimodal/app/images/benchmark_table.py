"""The table of a benchmark of samplers: a row for each sampler, number of calls and seed, one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from gm_multimodal.app.folders.csv_table import read_table, write_table
from gm_multimodal.errors import UserInputError

COLUMNS = (
    "sampler",
    "calls",
    "seed",
    "samples",
    "frechet",
    "frechet_error",
    "frechet_as_held_out",
    "confidence",
    "sure",
    "imbalance",
    "nearest_distance",
    "close",
    "fid",
    "cpu_seconds",
)
"""Which cell; images in it; Fréchet distance to the training images in the classifier's features, its standard error
over redraws of the samples, and that of as many samples as there are held-out images; mean probability of the likeliest
label, share of images with one above 0.9, total variation between labels of samples and data; median distance to the
nearest training image, share nearer than the nearest 5 % of the held-out images; FID; processor time of sampling."""

HELD_OUT = "held-out images"
"""The row that all others are compared with: real images that no training saw."""

Row = Mapping[str, str]
Cell = tuple[str, int, int]
"""Sampler, calls, seed."""


@dataclass(frozen=True)
class BenchmarkResults:
    """The rows on disk.

    Attributes:
        path: the file.
    """

    path: Path

    def rows(self) -> dict[Cell, Row]:
        """Return the rows that are done.

        Raises:
            UserInputError: the file has other columns than such a table.
        """
        if not self.path.exists():
            return {}
        columns, rows = read_table(self.path, COLUMNS[1:])
        if columns != COLUMNS:
            raise UserInputError(f"{self.path} has other columns than a benchmark: move it away, or give another out=.")
        return {_cell(row): row for row in rows}

    def add(self, row: Row) -> None:
        """Add one row; the file is complete at any time."""
        rows = {**self.rows(), _cell(row): row}
        write_table(self.path, COLUMNS, rows.values())


def _cell(row: Row) -> Cell:
    """Return which cell a row is of; what is not a whole number is cut to one, and is of no cell that is asked for."""
    return row["sampler"], int(float(row["calls"] or -1)), int(float(row["seed"] or -1))


def markdown(rows: Mapping[Cell, Row], samplers: Sequence[str], calls: Sequence[int], column: str = "frechet") -> str:
    """Return a table of the means of a column over the seeds, samplers down, calls across.

    The number behind the sign is the standard deviation over the seeds; of one seed, the error over redraws.
    """
    lines = [f"| sampler | {' | '.join(f'{number} calls' for number in calls)} |", "|---" * (len(calls) + 1) + "|"]
    for sampler in samplers:
        shown = [_shown([row for (s, n, _), row in rows.items() if (s, n) == (sampler, c)], column) for c in calls]
        lines.append(f"| {sampler} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _shown(rows: Sequence[Row], column: str) -> str:
    values = [float(row[column]) for row in rows if row[column]]
    if not values:
        return ""
    if len(values) > 1:
        return f"{fmean(values):.3g} ± {stdev(values):.1g}"
    error = rows[0]["frechet_error"] if column == "frechet" else ""
    return f"{values[0]:.3g} ± {float(error):.1g}" if error else f"{values[0]:.3g}"
