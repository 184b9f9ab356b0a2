"""Files that are complete or not there at all, and written where their name stands, never where a link points.

A folder may come from a stranger, with links in the places of files that we are about to write. A symbolic link is
replaced, and so is a file that has further names (hard links): what they name keeps its bytes. Folders of our own
inside an output folder are not entered through a link; the output folder itself may be one, to a scratch disk say.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_TEMPORARY: Final = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.tmp")


def temporary_path(path: Path) -> Path:
    """Return a name beside `path` that nobody can foresee, under which it is written before it is complete."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")


def leftovers(folder: Path, names: str) -> list[Path]:
    """Return what killed processes left under temporary names of files whose own match the regular expression."""
    found = ((file, _TEMPORARY.fullmatch(file.name)) for file in folder.iterdir()) if folder.is_dir() else ()
    return [file for file, match in found if match and re.fullmatch(names, match["name"]) and not _is_folder(file)]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file to write to; it takes the place of `path` if all went well, and disappears otherwise.

    A process killed in between leaves it beside `path`, to be found by `leftovers`.
    """
    temporary = temporary_path(path)
    try:
        new = temporary.open("xb")  # x: fails if there is anything of that name, even a link to nowhere
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that people know
    try:
        with new as file:
            yield file
        move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, path: Path) -> None:
    """Let a complete file take the place of `path`, once the disk has its content: after a power cut too."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write `content` (text as UTF-8 with its line ends as they are) so that `path` is complete or untouched."""
    with replacing(Path(path)) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def append(path: Path, content: bytes) -> None:
    """Write at the end of a file, which is made if need be, and wait for the disk; a link becomes a file of its own."""
    if os.path.lexists(path) and not _is_folder(path) and not _is_only_name(path):
        write_atomically(path, path.read_bytes() if path.is_file() else b"")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def own_folder(path: Path) -> Path:
    """Return a folder of our own inside an output folder, made if need be.

    Raises:
        NotADirectoryError: It is a link or no folder.
    """
    if os.path.lexists(path) and Path(os.path.realpath(path)) != Path(os.path.realpath(path.parent), path.name):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link, and may lead out of this folder", str(path))
    path.mkdir(exist_ok=True)
    return path


def in_the_way(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of these names whose content would be lost if we wrote there: links lose nothing."""
    paths = (folder / name for name in names)
    return next((path for path in paths if os.path.lexists(path) and _is_only_name(path)), None)


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _is_only_name(path: Path) -> bool:
    """Return whether a file is known by this name alone; of a folder, always."""
    state = path.lstat()
    return stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink <= 1)
