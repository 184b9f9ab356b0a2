"""Structures in the compact protocol of Apache Thrift, as the page headers of Parquet are written.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

_DEEPEST: Final = 8
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS: Final = (4, 5, 6)
_LONGEST_NUMBER: Final = 10  # bytes of 64 bits in sevens


class Malformed(ValueError):
    """Bytes that end too early or do not describe a structure."""


@final
@dataclass(frozen=True)
class Struct:
    """The whole numbers and inner structures of a structure, by the number of their field; the rest is passed over."""

    numbers: Mapping[int, int] = field(default_factory=dict)
    structs: Mapping[int, "Struct"] = field(default_factory=dict)

    def number(self, key: int) -> int:
        """Return a number, 0 where there is none."""
        return self.numbers.get(key, 0)

    def inner(self, key: int) -> "Struct":
        """Return an inner structure, an empty one where there is none."""
        return self.structs.get(key, Struct())


def read_struct(content: bytes) -> tuple[Struct, int]:
    """Return the structure at the beginning of some bytes, and its length.

    Raises:
        Malformed: They end before it does, or hold none.
    """
    reader = _Reader(content)
    try:
        return reader.struct(0), reader.place
    except IndexError as error:
        raise Malformed("it is cut off") from error


@final
class _Reader:
    """A place in some bytes that moves on with what is read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def struct(self, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise Malformed(f"it is nested more than {_DEEPEST} deep")
        numbers: dict[int, int] = {}
        structs: dict[int, Struct] = {}
        key = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 15, head >> 4
            key = key + step if step else self._signed()
            if kind in _INTEGERS:
                numbers[key] = self._signed()
            elif kind == _STRUCT:
                structs[key] = self.struct(depth + 1)
            elif kind not in (_TRUE, _FALSE):  # these are all in their heads
                self._pass_over(kind, depth)
        return Struct(numbers, structs)

    def _pass_over(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE, _BYTE):
            self._skip(1)
        elif kind in _INTEGERS:
            self._signed()
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._unsigned())
        elif kind == _STRUCT:
            self.struct(depth + 1)
        elif kind in (_LIST, _SET) and depth <= _DEEPEST:
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._unsigned()
            for _ in range(size):
                self._pass_over(head & 15, depth + 1)
        else:
            raise Malformed(f"it has a part of kind {kind}")

    def _byte(self) -> int:
        self.place += 1
        return self.content[self.place - 1]

    def _skip(self, size: int) -> None:
        self.place += size
        if self.place > len(self.content):
            raise Malformed("it is cut off")

    def _unsigned(self) -> int:
        value = 0
        for number in range(_LONGEST_NUMBER):
            byte = self._byte()
            value |= (byte & 127) << (7 * number)
            if byte < 128:
                return value
        raise Malformed("it has a number of more than 64 bits")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
