"""The tables of an evaluation: a row per structure, a line per rejected file, and what every figure means."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gm_multimodal.app.evaluate.inputs import Rejected
from gm_multimodal.app.folders.csv_table import write_table
from gm_multimodal.files import write_atomically
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.residues import decode

FILE_COLUMNS = ("id", "file", "chain", "length", "sequence")
NOTES = "notes"

Value = float | str | None


@dataclass
class Table:
    """Figures of structures, column by column, and why cells are empty; it grows while an evaluation runs.

    Attributes:
        structures: one per row.
        definitions: what each column means, in order.
        rows: figures of each structure by column.
        reasons: of each structure, why a column is empty.
    """

    structures: Sequence[Structure]
    definitions: dict[str, Definition] = field(default_factory=dict)
    rows: list[dict[str, Value]] = field(default_factory=list)
    reasons: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = self.rows or [{} for _ in self.structures]
        self.reasons = self.reasons or [{} for _ in self.structures]

    def add(
        self, definitions: Mapping[str, Definition], rows: Sequence[Mapping[str, Value]], reason: str = "not computed"
    ) -> None:
        """Add columns; a figure that is absent, None or not finite leaves its cell empty, for the reason given.

        A reason of its own stands in a row under the column's name followed by ` reason`.
        """
        self.definitions |= definitions
        for row, reasons, new in zip(self.rows, self.reasons, rows, strict=True):
            for column in definitions:
                value = new.get(column)
                if value is None or (isinstance(value, float) and not math.isfinite(value)):
                    row[column] = None
                    reasons[column] = str(new.get(f"{column} reason") or reason)
                else:
                    row[column] = value

    def column(self, name: str) -> list[Value]:
        """Return the figures of one column."""
        return [row[name] for row in self.rows]

    def summary(self) -> dict[str, Any]:
        """Return for each column its definition, how many structures have it, their mean and spread, and the gaps."""
        return {column: self._summary_of(column) for column in self.definitions}

    def _summary_of(self, column: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"definition": asdict(self.definitions[column])}
        values = [value for value in self.column(column) if value is not None]
        numbers = [value for value in values if not isinstance(value, str)]
        entry["count"] = len(values)
        if numbers:
            entry |= {
                "mean": float(np.mean(numbers)),
                "standard_deviation": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                "minimum": float(np.min(numbers)),
                "median": float(np.median(numbers)),
                "maximum": float(np.max(numbers)),
            }
        absent = Counter(reasons[column] for reasons in self.reasons if column in reasons)
        return entry | ({"empty": dict(absent)} if absent else {})

    def write(self, path: Path) -> None:
        """Write the table as CSV; the last column says why cells are empty."""
        rows = []
        for structure, row, reasons in zip(self.structures, self.rows, self.reasons, strict=True):
            notes: dict[str, list[str]] = {}
            for column, reason in reasons.items():
                notes.setdefault(reason, []).append(column)
            text = "; ".join(f"{', '.join(columns)}: {reason}" for reason, columns in notes.items())
            rows.append({**file_columns(structure), **{k: shown(v) for k, v in row.items()}, NOTES: text})
        write_table(path, [*FILE_COLUMNS, *self.definitions, NOTES], rows)


def file_columns(structure: Structure) -> dict[str, str]:
    """Return what says which structure a row is about."""
    return {
        "id": structure.name,
        "file": structure.file,
        "chain": structure.chain,
        "length": str(len(structure)),
        "sequence": decode(structure.backbone.tokens),
    }


def shown(value: Value) -> str:
    """Return a figure as text: an empty cell for None, whole numbers without a point, four decimals otherwise."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() and abs(value) >= 2 else f"{value:.4f}".rstrip("0").rstrip(".")


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write a line for each file that could not be read."""
    write_table(path, ["file", "reason"], [asdict(item) for item in rejected])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file for people and programs."""
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
