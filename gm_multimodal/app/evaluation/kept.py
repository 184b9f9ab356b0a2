"""What was computed once stays computed: figures on disk by what they depend on, one line each, safe against a kill."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Kept:
    """A file of JSON lines `[key, value]` that only grows; a line that a kill cut short is as if never written.

    Args:
        path: the file; made with the first figure.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        self._ends_clean = True
        if path.exists():
            content = path.read_bytes()
            self._ends_clean = content.endswith(b"\n") or not content
            for line in content.decode("utf-8", "replace").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue
                self._values[key] = value

    def __contains__(self, key: str) -> bool:
        """Tell whether the value of a key is known."""
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        """Return the value of a key."""
        return self._values[key]

    def update(self, items: Iterable[tuple[str, Any]]) -> None:
        """Keep values, in memory and on disk."""
        new = dict(items)
        lines = "".join(f"{json.dumps([key, value])}\n" for key, value in new.items())
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(lines if self._ends_clean else f"\n{lines}")
            file.flush()
            os.fsync(file.fileno())
        self._ends_clean = True
        self._values |= new
