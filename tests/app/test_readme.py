"""Every design command that the README shows runs as it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:scripts/|gm-multimodal )design (.*)$", README, re.MULTILINE)


def test_the_readme_shows_commands():
    assert len(COMMANDS) >= 4


@pytest.fixture
def files(run, data_folder):
    """What the commands take for the reader's own files, where `run` runs."""
    shutil.copy(data_folder / "3op9_A_6.pdb", "x.pdb")
    shutil.copy(data_folder / "3c4s_A_1.cif", "x.cif")
    Path("mine.fasta").write_text(">one\nMKLVINGKTLKGEITIEAVDAE\n", encoding="utf-8")


@pytest.mark.parametrize("line", COMMANDS)
def test_command_runs(run, files, sampler, line):
    code, out, err = run("design", *shlex.split(line, comments=True))
    assert code == 0, err
    assert "next: open" in out
