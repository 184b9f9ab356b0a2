"""One run at a time in a folder: processes that are real, one that is killed, and file systems without locks."""

import errno
import os
import re
import subprocess
import sys

import filelock
import pytest

from gm_multimodal.app.folders.hold import only_run_in
from gm_multimodal.errors import UserInputError

HOLD = """
import sys
from pathlib import Path
from gm_multimodal.app.folders.hold import only_run_in
with only_run_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
HELD = re.compile(r"in use by another run \(process (\d+) on \S+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\): ")


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder `run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path, holder):
    with pytest.raises(UserInputError) as refused, only_run_in(tmp_path / "run"):
        raise AssertionError
    assert HELD.search(str(refused.value))[1] == str(holder.pid)
    assert len(str(refused.value).splitlines()) == 1
    holder.communicate("")
    with only_run_in(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


def test_a_killed_process_is_not_in_the_way(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert list((tmp_path / "run").iterdir())  # what it held is still written there
    with only_run_in(tmp_path / "run"), pytest.raises(UserInputError, match=f"process {os.getpid()} "):
        with only_run_in(tmp_path / "run"):
            raise AssertionError
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_fails_lets_go(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), only_run_in(tmp_path):
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_runs_of_different_parts_share_a_folder(tmp_path):
    with only_run_in(tmp_path, "-1"), only_run_in(tmp_path, "-2"):
        with pytest.raises(UserInputError, match="in use"), only_run_in(tmp_path, "-1"):
            raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_lie_elsewhere(tmp_path):
    (tmp_path / "scratch").mkdir()
    try:
        (tmp_path / "run").symlink_to("scratch", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links here")
    with only_run_in(tmp_path / "run"), pytest.raises(UserInputError, match="in use"):
        with only_run_in(tmp_path / "scratch"):
            raise AssertionError


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_a_run_warns_once_and_goes_on(tmp_path, monkeypatch, capsys, code):
    def refuse(descriptor, operation):
        raise OSError(code, os.strerror(code))

    if os.name == "nt":
        pytest.skip("locks of Windows are other calls")
    monkeypatch.setattr("fcntl.flock", refuse)
    done = []
    with only_run_in(tmp_path):
        done.append(True)
    (warning,) = capsys.readouterr().err.splitlines()
    assert done and str(tmp_path) in warning and os.strerror(code) in warning
    assert list(tmp_path.iterdir()) == []


def test_what_else_keeps_a_folder_from_being_locked_is_told(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", "the lock")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(UserInputError, match="cannot write the lock: Permission denied"), only_run_in(tmp_path):
        raise AssertionError


@pytest.mark.parametrize("name", [".gm-multimodal.lock", ".gm-multimodal.run"])
@pytest.mark.parametrize("kind", ["link", "dangling", "second name"])
def test_links_in_place_of_the_lock_are_not_followed(tmp_path, name, kind):
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("precious")
    folder.mkdir()
    try:
        if kind == "second name":
            os.link(outside, folder / name)
        else:
            (folder / name).symlink_to(outside if kind == "link" else tmp_path / "absent")
    except OSError:
        pytest.skip("this system makes no links here")
    with only_run_in(folder), pytest.raises(UserInputError, match="in use"), only_run_in(folder):
        raise AssertionError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "run"]
    assert outside.read_text() == "precious"


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"process 1 on \x1b[31m, since 2026-01-01 00:00:00 UTC", b"a" * 10**6]
)
def test_only_what_we_write_is_said_of_the_other_run(tmp_path, content):
    with only_run_in(tmp_path):
        (tmp_path / ".gm-multimodal.run").write_bytes(content)
        with pytest.raises(UserInputError, match="in use by another run: wait"), only_run_in(tmp_path):
            raise AssertionError


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    with only_run_in(tmp_path):
        (tmp_path / ".gm-multimodal.run").unlink()
        os.mkfifo(tmp_path / ".gm-multimodal.run")
        with pytest.raises(UserInputError, match="in use"), only_run_in(tmp_path):
            raise AssertionError
