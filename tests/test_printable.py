"""Text of strangers: nothing that a terminal or a reader would obey, and messages of a length that is read."""

import sys
import unicodedata

import pytest

from gm_multimodal.errors import StructureError, UserInputError
from gm_multimodal.printable import LONGEST_MESSAGE, message, printable

OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # controls, formats (the bidirectional marks too), half pairs, line ends


def test_no_character_that_is_obeyed_passes_and_what_passes_stays():
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        shown = printable(letter)
        assert shown.isprintable()
        assert printable(shown) == shown
        assert shown == letter or shown.startswith("\\")
        assert not (unicodedata.category(letter) in OBEYED and shown == letter)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1abc_A.pdb", "1abc_A.pdb"),
        ("Ångström-蛋白质.cif", "Ångström-蛋白质.cif"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b2J", r"\x9b2J"),
        ("gpj.\u202efdp.exe\u2066", r"gpj.\u202efdp.exe\u2066"),
        ("half \udcff", r"half \udcff"),
        ("\u2028\U000e0041", r"\u2028\U000e0041"),
    ],
)
def test_escapes(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("length", [1, LONGEST_MESSAGE, LONGEST_MESSAGE + 1, 100_000])
def test_messages_keep_their_beginning_and_their_instruction(length):
    text = message(f"file {'x' * length} does not exist: give another one.")
    assert len(text) <= LONGEST_MESSAGE
    assert text.startswith("file xxx" if length > 2 else "file x ")
    assert text.endswith("does not exist: give another one.")
    assert ("more characters" in text) == (length > LONGEST_MESSAGE - 40)


def test_errors_are_one_printable_line():
    name = "\x1b]0;x\x07\n" + "a" * 5000
    for error in (UserInputError(f"{name}: give another."), StructureError(name, f"has {name}")):
        assert str(error).isprintable()
        assert len(str(error)) <= LONGEST_MESSAGE
    assert StructureError("x", name).reason.isprintable()
