import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.fasta import read_fasta
from gm_multimodal.protein.residues import decode


def read(tmp_path, text: str):
    path = tmp_path / "some.fasta"
    path.write_text(text)
    return read_fasta(path)


def test_records_in_any_case_over_several_lines(tmp_path):
    first, second = read(tmp_path, ">one of two\nmkv\nLI C\n\n>\r\nACDEF*\r\n")
    assert (first.name, decode(first.tokens), first.remarks) == ("one", "MKVLIC", ())
    assert (second.name, decode(second.tokens)) == ("record2", "ACDEF")


def test_letters_beyond_the_twenty_are_replaced_and_said(tmp_path):
    (record,) = read(tmp_path, ">x\nMUOXBZJU\n")
    assert decode(record.tokens) == "MCKXDELC"
    assert record.remarks == (
        "x: 2 U taken for C",
        "x: 1 O taken for K",
        "x: 1 B taken for D",
        "x: 1 Z taken for E",
        "x: 1 J taken for L",
        "x: 1 X left to the model",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (">x\n>y\nMK\n", "record x has no sequence"),
        (">x\nACGTACGTACGTTAGC\n", "letters of DNA or RNA"),
        (">x\nACGUACGUACGUUAGC\n", "letters of DNA or RNA"),
        ("MKVLI\n", "its first line is not `>name` but 'MKVLI'"),
        ("<!DOCTYPE html>\n<html></html>", "not a FASTA file"),
        (">x\nMK-VLI\n", "letter 3 of record x is '-'"),
        (">x\nMKV1LI\n", "letter 4 of record x is '1'"),
        (f">a\nMK\n>{'n' * 200_000}\nMK\n", "record 2 has a name of 200,000 letters"),
    ],
)
def test_what_is_no_protein_sequence_is_refused(tmp_path, text, message):
    with pytest.raises(UserInputError, match=message):
        read(tmp_path, text)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserInputError, match=r"absent\.fasta does not exist"):
        read_fasta(tmp_path / "absent.fasta")


def test_names_hold_no_control_characters(tmp_path):
    (record,) = read(tmp_path, ">a\x1b[31mb\u202e\x00 more\nMKVX\n")
    assert record.name == r"a\x1b[31mb\u202e\x00"
    assert record.remarks == (rf"{record.name}: 1 X left to the model",)
