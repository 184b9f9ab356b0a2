"""The package's own error vocabulary: what a user can mend, and what only the programmer can."""

from gm_multimodal.printable import message


class UserInputError(ValueError):
    """Something the user can mend in the command or its inputs; the command line ends with exit code 2.

    The message names the thing, what came, what would do and, where it helps, the next command to type. What came may
    be anything: the message is one printable line, and of a long one the beginning and the end stay.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))


class CheckpointError(UserInputError):
    """A checkpoint that is missing, truncated, or not one of ours."""


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
    """A process that does not fit its path or its superposition partners, found before any step is taken."""
