"""The package's own error vocabulary: what a user can mend, and what only the programmer can."""

from collections.abc import Iterable

from gm_multimodal.printable import message


class UserInputError(ValueError):
    """Something the user can mend in the command or its inputs; the command line ends with exit code 2.

    The message names the thing, what came, what would do and, where it helps, the next command to type. What came may
    be anything: the message is one printable line, and of a long one the beginning and the end stay.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))


class CheckpointError(UserInputError):
    """A checkpoint that is missing, truncated, or not of this program."""


class DatasetError(UserInputError):
    """A dataset that is missing, lacks a required column, or holds a row that cannot be read."""


class EmptyDataset(DatasetError):
    """A dataset that can be read, but none of whose rows passes the filters."""


class StructureError(UserInputError):
    """A structure file that is missing, malformed, too large or without protein; `reason` leaves out its name."""

    def __init__(self, path: object, reason: str, advice: str = "") -> None:
        super().__init__(f"structure file {path} {reason}{advice and f': {advice}'}")
        self.reason = message(reason)


class TooLarge(UserInputError):
    """A file beyond a limit of size; `reason` leaves out its name, and a reader adds that."""

    def __init__(self, what: str, max_bytes: int) -> None:
        self.reason = f"{what} {max_bytes / 1e6:g} MB"
        super().__init__(self.reason)


class IncompatibleProcess(TypeError):
    """Parts that do not fit each other: a path and a process, a factor and what is given or predicted of it.

    Found where they are put together, before anything is drawn; the message shows both sides.
    """


def expect(owner: object, name: str, part: object, *kinds: type) -> None:
    """Refuse a part of another kind than an object is made of.

    Args:
        owner: the object, or the name of a function.
        name: of the part.
        part: what came.
        kinds: classes or protocols, one of which will do.

    Raises:
        IncompatibleProcess: naming the object, what it takes and what came.
    """
    # A class has the methods of its objects, and would pass for one of them.
    if isinstance(part, kinds) and not isinstance(part, type):
        return
    wanted = " or ".join(kind.__name__ for kind in kinds)
    came = f"the class {part.__name__}" if isinstance(part, type) else message(repr(part))
    who = owner if isinstance(owner, str) else type(owner).__name__
    raise IncompatibleProcess(f"{who} takes {wanted} for its {name}, not {came}.")


def listed(names: Iterable[str]) -> str:
    """Return names as a message shows them: a, b and c."""
    *others, last = names or ("nothing",)
    return message(f"{', '.join(others)} and {last}" if others else last)
