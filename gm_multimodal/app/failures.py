"""What the user sees when something goes wrong: one line and an exit code, or the traceback where asked for."""

import os
import sys
import traceback

from gm_multimodal.errors import IncompatibleProcess, UserInputError

TRACEBACK = "GM_MULTIMODAL_TRACEBACK"
INTERRUPTED = 130


def report_failure(error: BaseException, command: str = "") -> int:
    """Print one line for an error on standard error and return the exit code.

    Args:
        error: what was raised.
        command: which command ran, if any had begun.

    Returns:
        2 for what the user can mend, 130 after Ctrl-C, 1 for everything else (a mistake of ours).
    """
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    program = f"gm-multimodal {command}".strip()
    if isinstance(error, KeyboardInterrupt):
        print(f"{program}: {str(error) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    # A process that does not fit was chosen on the command line, or in a config group that the user wrote.
    if isinstance(error, UserInputError | IncompatibleProcess):
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    print(
        f"{program}: an error that is not yours: {_one_line(kind)}. "
        f"Set {TRACEBACK}=1 to see where it arose, and please report it.",
        file=sys.stderr,
    )
    return 1


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
