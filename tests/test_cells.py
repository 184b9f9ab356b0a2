"""Cells of tables: no text is a formula, numbers stay numbers, and every text comes back."""

import csv
import io

import pytest

from gm_multimodal.app.folders.csv_table import read_table, write_table
from gm_multimodal.cells import as_cell, from_cell
from gm_multimodal.errors import UserInputError

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "-5-27",
    "@SUM(A1)",
    "= 1",
    "  =1",
    "＝1+1",
    "＠x",
    "-",
    "-1_000",
]
PLAIN = ["", "1abc_A", "it's", "'", "''", "'a'", "a=b", "x@y.org", "design_0001.pdb", 'a,"b"', "'1"]
NUMBERS = ["0", "-0.5", "+3", "-12", "1e-5", "-1.5E+03", "-.5", "3."]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_become_text_and_come_back(text):
    assert as_cell(text) == f"'{text}"
    assert from_cell(as_cell(text)) == text
    again = as_cell(f"'{text}")  # a text that begins with an apostrophe is not taken for one of ours
    assert from_cell(again) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN + NUMBERS)
def test_other_texts_and_numbers_stay(text):
    assert as_cell(text) == text
    assert from_cell(text) == text


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", "\x00=1", "\x0b@x"])
def test_control_characters_before_a_formula_are_escapes(text):
    cell = as_cell(text)
    assert cell.isprintable()
    assert cell.startswith("\\")


def test_tables_are_read_back(tmp_path):
    rows = [{"name": text, "value": "-0.5"} for text in [*FORMULAS, *PLAIN]]
    write_table(tmp_path / "t.csv", ("name", "value"), rows)
    assert read_table(tmp_path / "t.csv") == (("name", "value"), rows)
    for cells in csv.reader(io.StringIO((tmp_path / "t.csv").read_text(encoding="utf-8"))):
        assert not cells[0].lstrip().startswith(tuple("=+-@＝＠"))


def test_short_rows_have_empty_cells_and_what_is_no_table_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n1,2,3\n", encoding="utf-8")
    assert read_table(path) == (("a", "b"), [{"a": "1", "b": ""}, {"a": "1", "b": "2"}])
    path.write_text(f"a\n{'x' * 200_000}\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="is not a CSV table of such a run"):
        read_table(path)
