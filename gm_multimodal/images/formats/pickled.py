"""Pickles of plain values and arrays of bytes, read without running them.

A pickle is a programme, and Python's own machine for it can be told to call, to import and to reserve any amount of
memory. Here its instructions are walked through one by one: those that put plain values together are carried out, the
few calls by which numpy writes an array become a description of it, and everything else is refused.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

_MOST_INSTRUCTIONS: Final = 1_000_000  # a batch of CIFAR-10 has less than a tenth
_MOST_AXES: Final = 4
_BYTES: Final = ("u1", "|u1")

_RECONSTRUCT: Final = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_FROM_BUFFER: Final = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_NDARRAY, _DTYPE, _ENCODE = "numpy.ndarray", "numpy.dtype", "_codecs.encode"
_KNOWN: Final = {*_RECONSTRUCT, *_FROM_BUFFER, _NDARRAY, _DTYPE, _ENCODE}

_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Final[dict[str, Callable[[], Any]]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_NUMBERS: Final = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
_TEXTS: Final = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTE_STRINGS: Final = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
_OLD_STRINGS: Final = ("SHORT_BINSTRING", "BINSTRING")  # of Python 2; pickletools shows their bytes as Latin-1
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Unreadable(ValueError):
    """A pickle that holds something else than plain values and arrays of bytes."""


def load(content: bytes) -> Any:
    """Return what a pickle of protocol 2 to 5 holds: None, numbers, text, bytes, lists, tuples, dictionaries, arrays.

    Raises:
        Unreadable: It is damaged, or asks for anything else.
    """
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if number >= _MOST_INSTRUCTIONS:
                raise Unreadable(f"it has more than {_MOST_INSTRUCTIONS} instructions")
            if opcode.name == "STOP":
                return _value(machine.stack.pop())
            machine.step(opcode.name, argument)
    except Unreadable:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable("it is damaged or cut off") from error
    raise Unreadable("it does not end")


@final
@dataclass(frozen=True)
class _Name:
    """What a pickle would import."""

    name: str


@final
class _Mark:
    """The beginning of the parts of something."""


@final
class _DType:
    """The kind of the elements of an array: bytes, as no other kind is read."""


@final
class _Array:
    """An array that is known once its contents are."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None


@final
class _Machine:
    """The stack and the memory that the instructions of a pickle work on."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        push = self.stack.append
        if name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _EMPTY:
            push(_EMPTY[name]())
        elif name in _NUMBERS or name in _TEXTS:
            push(argument)
        elif name in _BYTE_STRINGS:
            push(bytes(argument))
        elif name in _OLD_STRINGS:
            push(argument.encode("latin-1"))
        elif name in _TUPLES:
            push(tuple(self._take(_TUPLES[name])))
        elif name == "MARK":
            push(_Mark())
        elif name == "TUPLE":
            push(tuple(self._take_to_mark()))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            push(self.memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            words = argument.split(" ") if name == "GLOBAL" else self._take(2)
            push(_named(".".join(words)))
        elif name in ("APPEND", "APPENDS"):
            items = self._take(1) if name == "APPEND" else self._take_to_mark()
            _of_kind(self.stack[-1], list).extend(map(_value, items))
        elif name in ("SETITEM", "SETITEMS"):
            items = self._take(2) if name == "SETITEM" else self._take_to_mark()
            table = _of_kind(self.stack[-1], dict)
            table.update(zip(map(_key, items[::2]), map(_value, items[1::2]), strict=True))
        elif name == "REDUCE":
            called, arguments = self._take(2)
            push(_called(_of_kind(called, _Name).name, _of_kind(arguments, tuple)))
        elif name == "BUILD":
            (state,) = self._take(1)
            _build(self.stack[-1], _of_kind(state, tuple))
        elif name not in ("PROTO", "FRAME"):
            raise Unreadable(f"its instruction {name} does more than build plain values")

    def _take(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise Unreadable("it is damaged or cut off")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _take_to_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while not isinstance(self.stack[place], _Mark):  # an IndexError where there is none
            place -= 1
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken


def _of_kind(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Unreadable(f"it has {type(value).__name__.strip('_')} where {kind.__name__.strip('_')} belongs")
    return value


def _named(name: str) -> _Name:
    if name not in _KNOWN:
        raise Unreadable(f"it asks for {name[:80]!r}, which plain values and arrays do not need")
    return _Name(name)


def _value(item: Any) -> Any:
    """Return a finished value; nothing inside of a tuple is looked at, because no array may stand there."""
    if isinstance(item, _Array):
        if item.value is None:
            raise Unreadable("it has an array without contents")
        return item.value
    if isinstance(item, _Name | _Mark | _DType):
        raise Unreadable("it has an incomplete array as a value")
    return item


def _key(item: Any) -> str | bytes:
    if type(item) not in (str, bytes):
        raise Unreadable(f"it has a key of kind {type(item).__name__.strip('_')}; keys must be text")
    return item


def _called(name: str, arguments: tuple[Any, ...]) -> Any:
    if name == _ENCODE:
        text, encoding = arguments
        if encoding not in ("latin1", "latin-1"):
            raise Unreadable("it encodes text differently from numpy")
        return _of_kind(text, str).encode("latin-1")
    if name == _DTYPE:
        kind = arguments[0].decode("latin-1") if type(arguments[0]) is bytes else _of_kind(arguments[0], str)
        if kind not in _BYTES:
            raise Unreadable(f"it has an array of kind {kind[:20]!r}; pictures are bytes, 'u1'")
        return _DType()
    if name in _RECONSTRUCT:
        return _Array()
    if name in _FROM_BUFFER:
        content, kind, shape, order = arguments
        array = _Array()
        array.value = _shaped(content, kind, shape, is_fortran=order == "F")
        return array
    raise Unreadable(f"it calls {name}")


def _build(target: Any, state: tuple[Any, ...]) -> None:
    """Give an array its contents; a kind of elements has been told already."""
    if isinstance(target, _DType):
        return
    _, shape, kind, is_fortran, content = state
    _of_kind(target, _Array).value = _shaped(content, kind, shape, is_fortran=bool(is_fortran))


def _shaped(content: Any, kind: Any, shape: Any, *, is_fortran: bool) -> np.ndarray:
    """Return an array of bytes after its size was compared with its contents."""
    _of_kind(kind, _DType)
    sizes = _of_kind(shape, tuple)
    if len(sizes) > _MOST_AXES or not all(type(size) is int and 0 <= size < 1 << 48 for size in sizes):
        raise Unreadable(f"it has an array whose shape is not up to {_MOST_AXES} sizes")
    if math.prod(sizes) != len(_of_kind(content, bytes)):
        raise Unreadable(f"it has an array of shape {sizes} with {len(content)} bytes")
    return np.frombuffer(content, dtype=np.uint8).reshape(sizes, order="F" if is_fortran else "C")
