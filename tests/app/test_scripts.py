"""The set-up of scripts/environment, with a Python that only writes down what it is asked for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / "scripts" / "environment"
FAKE_PYTHON = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
    *sys.exit*) exit 0 ;;
    "-m pip --version") [ -e "$VENV/has_pip" ] || exit 1 ;;
    "-m venv --clear "*) mkdir -p "$VENV/bin"; cp "$0" "$VENV/bin/python"; touch "$VENV/has_pip" ;;
    *install*) [ ! -e "$BREAK" ] || exit 1 ;;
esac
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("sh"), reason="needs a POSIX shell")


@pytest.fixture
def prepare(tmp_path):
    """Call prepare_environment in a checkout with a blank in its name; returns exit code and what Python was asked."""
    root = tmp_path / "check out"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "constraints.txt").write_text("torch==1\n")
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    log, broken = tmp_path / "log", tmp_path / "break"
    variables = {"PYTHON": str(python), "LOG": str(log), "VENV": str(root / ".venv"), "BREAK": str(broken)}

    def call(extras: str = "") -> tuple[int, list[str]]:
        log.write_text("")
        script = f'set -eu; . "{ENVIRONMENT}"; prepare_environment "$1" "$2"'
        command = ["sh", "-c", script, "sh", str(root), extras]
        result = subprocess.run(command, env={**variables, "PATH": "/usr/bin:/bin", "HOME": ""}, cwd="/", check=False)
        return result.returncode, [line for line in log.read_text().splitlines() if "install" in line]

    call.root, call.broken = root, broken
    return call


TORCH = "-m pip --disable-pip-version-check install torch -c constraints.txt"
PACKAGE = "-m pip --disable-pip-version-check install --quiet -e .{} -c constraints.txt"


def test_torch_comes_first_and_a_second_call_does_nothing(prepare):
    assert prepare() == (0, [TORCH, PACKAGE.format("")])
    assert prepare() == (0, [])


def test_extras_are_added_and_cover_the_plain_environment(prepare):
    prepare()
    assert prepare("[test,dev]") == (0, [TORCH, PACKAGE.format("[test,dev]")])
    assert prepare() == (0, [])
    assert prepare("[test,dev]") == (0, [])


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_again(prepare, file):
    prepare()
    with (prepare.root / file).open("a") as lines:
        lines.write("# changed\n")
    assert len(prepare()[1]) == 2
    assert prepare() == (0, [])


def test_an_interrupted_setup_is_done_again(prepare):
    prepare.broken.touch()
    assert prepare() == (1, [TORCH])
    prepare.broken.unlink()
    assert prepare() == (0, [TORCH, PACKAGE.format("")])


def test_a_moved_checkout_installs_again(prepare):
    prepare()
    stamp = prepare.root / ".venv" / ".installed"
    stamp.write_text(stamp.read_text().replace("check out", "elsewhere"))
    assert len(prepare()[1]) == 2


def test_no_python_is_said(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    for tool in ("cat", "cksum", "sed", "rm"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    script = f'. "{ENVIRONMENT}"; prepare_environment "{tmp_path}" ""'
    result = subprocess.run(
        [shutil.which("sh"), "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "Python 3.11 or newer is needed" in result.stderr
