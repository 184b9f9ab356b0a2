"""What the user sees when something goes wrong: one line and an exit code, or the traceback where asked for."""

import errno
import os
import traceback

from gm_multimodal.app.cli.terminal import remark, show_trace
from gm_multimodal.errors import IncompatibleProcess, UserInputError

TRACEBACK = "GM_MULTIMODAL_TRACEBACK"
INTERRUPTED = 130


def report_failure(error: BaseException, command: str = "") -> int:
    """Print one line for an error on standard error and return the exit code.

    Args:
        error: what was raised.
        command: which command ran, if any had begun.

    Returns:
        2 for what the user can mend, 130 after Ctrl-C, 1 for everything else (an internal error).
    """
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        show_trace("".join(traceback.format_exception(error)))
    program = f"gm-multimodal {command}".strip()
    if isinstance(error, KeyboardInterrupt):
        remark(program, str(error) or "interrupted")
        return INTERRUPTED
    # A process that does not fit was chosen on the command line, or in a config group that the user wrote.
    if isinstance(error, UserInputError | IncompatibleProcess):
        remark(f"{program}: error", str(error))
        return 2
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        remark(f"{program}: error", f"{error.filename} is too long for a file name: check what was typed.")
        return 2
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    remark(
        f"{program}: internal error",
        f"{_one_line(kind)}. Set {TRACEBACK}=1 to see where it arose, and please report it.",
    )
    return 1


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
