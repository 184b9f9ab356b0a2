"""Files that are complete or not there at all."""

import os
from pathlib import Path
from typing import Final

TEMPORARY_SUFFIX: Final = ".tmp"
"""Ending of the names under which files are written before they are complete."""


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write ``content`` (text as UTF-8 with its line ends as they are) so that ``path`` is complete or untouched.

    A process killed in between leaves a file ending in ``TEMPORARY_SUFFIX`` beside it.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
