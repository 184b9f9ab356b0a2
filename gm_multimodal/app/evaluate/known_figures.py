"""What was computed once stays computed: figures on disk by what they depend on, one line each, safe against a kill."""

import io
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from gm_multimodal.errors import TooLarge, UserInputError
from gm_multimodal.files import append
from gm_multimodal.reading import MAX_BYTES, read_bytes

_LONGEST_LINE: Final = 4_000_000
_MOST_PARTS: Final = 10_000  # lists of a line


class Kept:
    """A file of JSON lines `[key, value]` that only grows; a line that a kill cut short is as if never written.

    Args:
        path: the file; made with the first figure.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        self._ends_clean = True
        if path.is_file():
            content = _content(path)
            self._ends_clean = content.endswith(b"\n") or not content
            for line in io.BytesIO(content):
                if len(line) > _LONGEST_LINE or line.count(b"[") + line.count(b"{") > _MOST_PARTS:
                    continue
                try:
                    key, value = json.loads(line.decode("utf-8", "replace"))
                except (ValueError, TypeError, RecursionError):
                    continue
                if isinstance(key, str):
                    self._values[key] = value

    def has(self, key: str, is_one: Callable[[Any], bool]) -> bool:
        """Return whether the value of a key is known and is one that a run could have kept."""
        return key in self._values and is_one(self._values[key])

    def __getitem__(self, key: str) -> Any:
        """Return the value of a key."""
        return self._values[key]

    def update(self, items: Iterable[tuple[str, Any]]) -> None:
        """Keep values, in memory and on disk."""
        new = dict(items)
        lines = "".join(f"{json.dumps([key, value])}\n" for key, value in new.items())
        append(self._path, (lines if self._ends_clean else f"\n{lines}").encode())
        self._ends_clean = True
        self._values |= new


def is_figure(value: Any) -> bool:
    """Return whether a value is a finite number or None."""
    return value is None or (isinstance(value, int | float) and abs(value) < math.inf)


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_BYTES)
    except TooLarge as error:
        raise UserInputError(f"{path} {error.reason}: move it away, and it is computed again.") from error
