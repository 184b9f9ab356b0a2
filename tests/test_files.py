"""What is written stands where its name does: links are replaced, and what they point to keeps its bytes."""

import os
from pathlib import Path

import pytest

from gm_multimodal import files

NEW, OLD = b"new\n", b"precious\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of somebody else."""
    file = tmp_path / "outside" / "file"
    file.parent.mkdir()
    file.write_bytes(OLD)
    return file


def link(path: Path, target: Path) -> None:
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no links here")


def plant(kind: str, path: Path, outside: Path) -> None:
    match kind:
        case "link":
            link(path, outside)
        case "dangling":
            link(path, outside.parent / "absent")
        case "folder":
            if os.name == "nt":
                pytest.skip("Windows replaces no link to a folder: it refuses")
            link(path, outside.parent)
        case "second name":
            os.link(outside, path)


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "second name"])
@pytest.mark.parametrize("write", [files.write_atomically, files.append])
def test_a_link_is_replaced_and_never_followed(tmp_path, outside, write, kind):
    if write is files.append and kind == "folder":
        kind = "dangling"
    place = tmp_path / "place"
    plant(kind, place, outside)
    write(place, NEW)
    assert not place.is_symlink() and place.stat().st_nlink == 1
    assert place.read_bytes() in (NEW, OLD + NEW)
    assert outside.read_bytes() == OLD
    assert [path.name for path in outside.parent.iterdir()] == ["file"]


def test_what_a_link_held_is_kept_where_lines_are_added(tmp_path, outside):
    link(tmp_path / "place", outside)
    files.append(tmp_path / "place", NEW)
    files.append(tmp_path / "place", NEW)
    assert (tmp_path / "place").read_bytes() == OLD + 2 * NEW


def test_a_link_that_appears_while_lines_are_added_is_not_followed(tmp_path, outside, monkeypatch):
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system opens links")
    link(tmp_path / "place", outside)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(OSError):
        files.append(tmp_path / "place", NEW)
    assert outside.read_bytes() == OLD


def test_temporary_names_cannot_be_foreseen(tmp_path):
    assert len({files.temporary_path(tmp_path / "place") for _ in range(100)}) == 100


@pytest.mark.parametrize("kind", ["link", "dangling", "second name"])
def test_a_link_in_the_temporary_place_is_refused_and_left(tmp_path, outside, monkeypatch, kind):
    monkeypatch.setattr(files.secrets, "token_hex", lambda count: "0" * 2 * count)
    temporary = files.temporary_path(tmp_path / "place")
    plant(kind, temporary, outside)
    with pytest.raises(FileExistsError):
        files.write_atomically(tmp_path / "place", NEW)
    assert outside.read_bytes() == OLD
    assert os.path.lexists(temporary) and not (tmp_path / "place").exists()


def test_who_may_read_is_as_the_system_says(tmp_path):
    (tmp_path / "usual").write_bytes(NEW)
    files.write_atomically(tmp_path / "ours", NEW)
    files.append(tmp_path / "added", NEW)
    modes = {(tmp_path / name).stat().st_mode for name in ("usual", "ours", "added")}
    assert len(modes) == 1


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, outside):
    with pytest.raises(RuntimeError), files.replacing(outside) as file:
        file.write(NEW)
        raise RuntimeError
    assert outside.read_bytes() == OLD
    assert list(outside.parent.iterdir()) == [outside]


def test_folders_of_our_own_are_made_and_links_to_others_refused(tmp_path, outside):
    assert files.own_folder(tmp_path / "best") == files.own_folder(tmp_path / "best")
    for name, target in (("samples", outside.parent), ("grids", outside.parent / "absent")):
        link(tmp_path / name, target)
        with pytest.raises(NotADirectoryError):
            files.own_folder(tmp_path / name)
    with pytest.raises(FileExistsError):
        files.own_folder(outside)
    assert [path.name for path in outside.parent.iterdir()] == ["file"]


def test_the_way_to_a_folder_of_our_own_may_be_a_link(tmp_path, outside):
    link(tmp_path / "scratch", outside.parent)
    assert files.own_folder(tmp_path / "scratch" / "best").is_dir()


def test_leftovers_are_those_of_names_we_write(tmp_path):
    for name in ("a.csv", "b.csv"):
        files.temporary_path(tmp_path / name).write_bytes(NEW)
    for name in ("a.csv", "a.csv.tmp", "a.csv.17.tmp", "my a.csv.0123456789abcdef.tmp"):
        (tmp_path / name).write_bytes(NEW)
    (tmp_path / "a.csv.0123456789abcdef.tmp").mkdir()
    (left,) = files.leftovers(tmp_path, r"a\.csv")
    assert left.is_file() and left.name.startswith("a.csv.")
    assert files.leftovers(tmp_path / "absent", r"a\.csv") == []
