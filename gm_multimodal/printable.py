"""Text from files and of file names, fit to be shown: it cannot move a cursor, turn a line round or end a record."""

from typing import Final

LONGEST_MESSAGE: Final = 500
"""Characters of a message; what is left out of a longer one lies in its middle."""

_END: Final = 200  # of a message: its instruction stands there


def printable(text: str) -> str:
    r"""Return the text with every character that is not printable as its escape, such as ``\x1b`` or ``\u202e``.

    Printable is what `str.isprintable` says: no control characters (line ends and NUL among them), no marks that
    reverse the direction of writing, no half of a surrogate pair. Printable text comes back as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def message(text: str) -> str:
    """Return the text as one printable line of at most `LONGEST_MESSAGE` characters: its beginning and its end."""
    line = printable(text)
    if len(line) <= LONGEST_MESSAGE:
        return line
    left_out = f" [... {len(line) - LONGEST_MESSAGE:,} more characters ...] "
    return line[: LONGEST_MESSAGE - _END - len(left_out)] + left_out + line[-_END:]
