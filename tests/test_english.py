"""Strings and docstrings say things as native speakers of the field do; these slips came up more than once."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLIPS = {
    r"(?i)(?<!there )\b(is|are|was|were) no (?!longer|more)": "is not a",
    r"\bTell (whether|which|how|if)\b": "Return whether",
    r"\btells? (how|which|what|where|why|whether)\b": "says, or shows",
    r"\bof (ours|yours|theirs)\b": "internal, your own",
    r"\bso many\b": "that many, or a number",
    r"\bno memory left\b": "out of memory",
}
FILES = sorted(file for folder in ("gm_multimodal", "scripts") for file in (ROOT / folder).rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted(file for folder in ("docs", "configs", "scripts") for file in (ROOT / folder).rglob("*.[my][da]*"))


def strings(file: Path) -> Iterator[tuple[int, str]]:
    """Lines and texts of all strings of a file, docstrings and parts of f-strings among them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def slips(text: str) -> list[str]:
    words = " ".join(text.split())
    return [f"{found[0]!r}: say {better!r}" for slip, better in SLIPS.items() for found in re.finditer(slip, words)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_strings_are_english(file):
    found = [f"line {line}: {slip}" for line, text in strings(file) for slip in slips(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_are_english(page):
    assert not slips(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["This is no protein", "Tell whether it fits", "an error of ours", "so many\nchains"])
def test_a_slip_is_found(text):
    assert slips(text)


@pytest.mark.parametrize("text", ["what is no longer masked", "There is no structure that can be read"])
def test_what_is_said_so_is_not_a_slip(text):
    assert not slips(text)
