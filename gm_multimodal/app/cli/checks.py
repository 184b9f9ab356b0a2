"""What schemas say about their fields: values taken literally, bounds and choices."""

from collections.abc import Iterable
from dataclasses import field, fields, is_dataclass
from typing import Any, get_type_hints

from gm_multimodal.errors import UserInputError

_LITERAL = "literal"

MEGABYTE = 1_000_000
"""What `max_megabytes` counts, in bytes."""


def literal() -> Any:
    """Declare a field whose value is taken as the shell delivers it: no sweeps, no quoting, no interpolation."""
    return field(metadata={_LITERAL: True})


def literal_keys(schema: type, prefix: str = "") -> frozenset[str]:
    """The dotted keys of a schema that were declared with `literal`, nested dataclasses included."""
    keys: set[str] = set()
    hints = get_type_hints(schema)
    for item in fields(schema):
        if item.metadata.get(_LITERAL):
            keys.add(prefix + item.name)
        elif is_dataclass(hints[item.name]):
            keys |= literal_keys(hints[item.name], f"{prefix}{item.name}.")
    return frozenset(keys)


def at_least(key: str, value: float, bound: float, reason: str = "") -> None:
    """Raise unless value >= bound; NaN is refused as well.

    Raises:
        UserInputError: The value is below the bound.
    """
    if not value >= bound:
        why = f" ({reason})" if reason else ""
        raise UserInputError(f"{key}={value} is below {bound}{why}: give {key}={bound} or more.")


def above(key: str, value: float, bound: float) -> None:
    """Raise unless value > bound; NaN is refused as well.

    Raises:
        UserInputError: The value is at or below the bound.
    """
    if not value > bound:
        raise UserInputError(f"{key}={value} is not above {bound}: give a larger number.")


def between(key: str, value: float, low: float, high: float) -> None:
    """Raise unless low < value < high; NaN is refused as well.

    Raises:
        UserInputError: The value is at a bound or outside.
    """
    if not low < value < high:
        raise UserInputError(f"{key}={value} is not between {low} and {high}: give a number in between.")


def within(key: str, value: float, low: float, high: float) -> None:
    """Raise unless low <= value <= high; NaN is refused as well.

    Raises:
        UserInputError: The value is outside.
    """
    if not low <= value <= high:
        raise UserInputError(f"{key}={value} is not from {low} to {high}: give a number in that range.")


def one_of(key: str, value: object, choices: Iterable[str]) -> None:
    """Raise unless value is one of the choices.

    Raises:
        UserInputError: It is another one.
    """
    known = list(choices)
    if value not in known:
        raise UserInputError(f"{key}={value} is not one of {', '.join(known)}.")


def auto_or_at_least(key: str, value: int | str, bound: int, example: int) -> None:
    """Raise unless value is a whole number from a bound on or the word auto.

    Raises:
        UserInputError: It is neither.
    """
    if isinstance(value, str):
        if value != "auto":
            raise UserInputError(f"{key}={value} is neither auto nor a whole number: give for example {key}={example}.")
    else:
        at_least(key, value, bound)


def check_device(device: str) -> None:
    """Raise unless device is one that a command computes on.

    Raises:
        UserInputError: It is another one.
    """
    one_of("device", device, ("auto", "cpu", "cuda", "mps"))


def check_threads(threads: int | str) -> None:
    """Raise unless threads is a positive whole number or the word auto.

    Raises:
        UserInputError: It is neither.
    """
    auto_or_at_least("threads", threads, 1, 2)


def check_filled(key: str, value: str) -> None:
    """Raise where a text option is empty.

    Raises:
        UserInputError: Nothing but white space came.
    """
    if not value.strip():
        raise UserInputError(f"{key}= is empty: give a value, or leave the option out.")
