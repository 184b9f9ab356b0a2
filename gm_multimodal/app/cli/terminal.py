"""What a command says: whole lines that cannot move the cursor or colour the terminal, whatever names they hold."""

import sys
from typing import TextIO

from gm_multimodal.printable import message, printable


def show(*lines: str) -> None:
    """Print lines on standard output; a line end within one is shown as an escape."""
    for line in lines:
        _write(sys.stdout, line)
    sys.stdout.flush()


def remark(speaker: str, text: str) -> None:
    """Print one line on standard error, cut if it is long: who speaks, as in `gm-multimodal design: note`, and what."""
    _write(sys.stderr, f"{speaker}: {message(text)}")


def show_trace(text: str) -> None:
    """Print a traceback on standard error."""
    for line in text.splitlines():
        _write(sys.stderr, line)


def _write(stream: TextIO, line: str) -> None:
    encoding = stream.encoding or "utf-8"
    # letters that the terminal has no code for are shown as escapes too
    print(printable(line).encode(encoding, "backslashreplace").decode(encoding), file=stream)
