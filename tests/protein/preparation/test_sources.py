import pytest

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.preparation.download import fetch, is_absent, local_source, missing
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
        ("1abc\nhello world\n", "line 2: 'hello world' is no id"),
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


def test_entries_are_fetched_once_and_absent_ones_are_remembered(tmp_path, monkeypatch):
    import io

    import requests
    from biotite.database import RequestError, afdb, rcsb

    asked = []

    def answer(name, kind):
        asked.append(name)
        if name == "9zzz":
            raise RequestError("no such entry")
        if name == "8off":
            raise requests.exceptions.ConnectionError("offline")
        return io.BytesIO(f"{name} {kind}".encode())

    monkeypatch.setattr(rcsb, "fetch", answer)
    monkeypatch.setattr(afdb, "fetch", answer)
    entries = [DatabaseEntry("1abc", False, "B"), DatabaseEntry("P12345", True), DatabaseEntry("9zzz", False)]
    for entry in missing(entries, tmp_path):
        fetch(entry, tmp_path)
    assert asked == ["1abc", "P12345", "9zzz"]
    assert missing(entries, tmp_path) == []
    assert [is_absent(entry, tmp_path) for entry in entries] == [False, False, True]
    source = local_source(entries[0], tmp_path)
    assert source is not None
    assert (source.path.read_bytes(), source.chain) == (b"1abc bcif", "B")
    with pytest.raises(UserInputError, match=r"cannot be reached for 8off .*give a folder of files"):
        fetch(DatabaseEntry("8off", False), tmp_path)
