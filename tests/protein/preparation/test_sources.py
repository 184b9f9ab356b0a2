import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.preparation.sources import DatabaseEntry, find


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2abc.cif", "b/c/3abc.bcif.gz", "1abc.PDB", "notes.md", ".hidden.pdb", "z.ent"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path / "files"


def test_folders_patterns_and_files(folder):
    names = ["1abc.PDB", "b/2abc.cif", "b/c/3abc.bcif.gz", "z.ent"]
    assert [source.name for source in find(str(folder))] == names
    assert [source.name for source in find(str(folder / "**" / "*.cif"))] == ["2abc.cif"]
    assert [source.name for source in find(str(folder / "b" / "**" / "*abc*"))] == ["2abc.cif", "c/3abc.bcif.gz"]
    assert [source.path for source in find(str(folder / "z.ent"))] == [folder / "z.ent"]


def test_lists_of_ids(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("1ABC\n# a remark\n2abc_B  # chain B\n\nAF-P12345-F1\nA0A024R1R8\n1abc\n")
    assert find(str(path)) == [
        DatabaseEntry("1abc", False),
        DatabaseEntry("2abc", False, "B"),
        DatabaseEntry("A0A024R1R8", True),
        DatabaseEntry("P12345", True),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1abc\nhello world\n", "line 2: 'hello world' is not an id"),
        ("# nothing\n", "lists no id"),
        (b"\xff\xfe", "neither"),
    ],
)
def test_lists_that_are_none(tmp_path, content, message):
    path = tmp_path / "ids.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserInputError, match=message):
        find(str(path))


def test_nothing_there(tmp_path):
    for place, message in [
        ("absent", "does not exist"),
        ("*.pdb", "matches no structure file"),
        ("", "has no structure"),
    ]:
        with pytest.raises(UserInputError, match=message):
            find(str(tmp_path / place))


@pytest.mark.parametrize("name", ["../1abc", "1abc/..", "1abc\n", "", "1abc_A", "١abc", "AF-P12345-F1", "P12345?x"])
@pytest.mark.parametrize("is_predicted", [False, True])
def test_what_is_not_an_id_becomes_no_entry(name, is_predicted):
    with pytest.raises(UserInputError, match="is not an id"):
        DatabaseEntry(name, is_predicted)
