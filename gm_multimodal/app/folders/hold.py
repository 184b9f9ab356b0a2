"""The output folder of a command: held by one process at a time, and nothing in it lost that others wrote.

The kernel locks `.gm-multimodal.lock` and lets go of it however the process ends; `.gm-multimodal.run` says who holds
it. Both go when the run ends; after a kill they stay, and mean nothing.
"""

import errno
import os
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gm_multimodal.app.cli.terminal import remark
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import in_the_way, leftovers, write_atomically

_LOCK, _HOLDER = ".gm-multimodal{}.lock", ".gm-multimodal{}.run"
_LOCK_FILE = r"\.gm-multimodal[\w-]*\.(lock|run)"
_HELD_BY = re.compile(r"process \d{1,10} on [\w.-]{1,255}, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
# What file systems answer that have no locks, such as some NFS; Windows says EINVAL.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that the user can act on.

    Raises:
        UserInputError: Naming the file or folder and the reason.
    """
    try:
        yield
    except OSError as error:
        place = error.filename2 or error.filename or path
        raise UserInputError(f"cannot write {place}: {error.strerror or error}. Give another out=FOLDER.") from error


@contextmanager
def only_run_in(folder: Path, part: str = "") -> Iterator[None]:
    """Hold a folder, which is made if need be, as the only run that writes there.

    Where the file system has no locks, this is said, and the run goes on.

    Args:
        folder: where the run writes.
        part: of the folder; runs that write different parts may share it.

    Raises:
        UserInputError: Another run holds it (with its process, machine and time), or it cannot be written.
    """
    place, holder = folder / _LOCK.format(part), folder / _HOLDER.format(part)
    # A lock that changes to a file which only exists, as the library would where there are no locks, outlives a kill.
    lock = FileLock(place, blocking=False, fallback_to_soft=False)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        try:
            lock.acquire()
        except Timeout:
            raise UserInputError(
                f"{folder} is in use by another run{_held_by(holder)}: wait until it ends or stop it, "
                "or give another out=FOLDER."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            with suppress(OSError):
                place.unlink()
            remark(
                "gm-multimodal: warning",
                f"{folder} lies on a file system without locks ({error.strerror}): make sure that no other run "
                "writes there.",
            )
    try:
        if lock.is_locked:
            with writing(folder):
                write_atomically(holder, _myself())
        yield
    finally:
        if lock.is_locked:
            # While the lock is held, so that what goes is not the next run's; Windows removes the lock on its release.
            for file in (holder, *leftovers(folder, re.escape(holder.name)), place):
                with suppress(OSError):
                    file.unlink()
            lock.release()


def is_of_a_lock(file: Path) -> bool:
    """Return whether a file is one that `only_run_in` keeps."""
    return re.fullmatch(_LOCK_FILE, file.name) is not None or file in leftovers(file.parent, _LOCK_FILE)


def refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder that no command is known to have written, if a file stands where one would write.

    Raises:
        UserInputError: Naming the file.
    """
    file = in_the_way(folder, names)
    if file is not None:
        raise foreign(file)


def foreign(file: Path) -> UserInputError:
    """Return the error that names a file which we did not write and would write over."""
    return UserInputError(
        f"{file} was not written by this run, which would replace it: move it away, or give another out=FOLDER."
    )


def _myself() -> str:
    return f"process {os.getpid()} on {platform.node() or 'unknown'}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _held_by(holder: Path) -> str:
    """Return who holds a lock, in parentheses; nothing if that is unknown, or is not what we write."""
    try:
        if not holder.is_file():  # a pipe would be waited for
            return ""
        with holder.open("rb") as file:
            text = file.read(500).decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return f" ({text})" if _HELD_BY.fullmatch(text) else ""
