"""Cells of CSV tables: a text from a file must not become a formula in the program that opens the table."""

import re
from typing import Final

from gm_multimodal.printable import printable

# The full-width forms are formulas too where Excel speaks Chinese or Japanese (OWASP, "CSV Injection").
_FORMULA: Final = re.compile(r"'*\s*[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_cell(text: str) -> str:
    """Return the cell of a text: an apostrophe before what a spreadsheet would compute, no control characters.

    Numbers stay numbers. `from_cell` gives every printable text back, one that begins with an apostrophe too.
    """
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """Return the text that `as_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
