"""What was computed once stays computed: figures on disk by what they depend on, one line each, safe against a kill."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gm_multimodal.files import append


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
        append(self._path, (lines if self._ends_clean else f"\n{lines}").encode())
        self._ends_clean = True
        self._values |= new
