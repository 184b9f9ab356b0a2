"""Every design command that the README shows runs as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:scripts/|gm-multimodal )design (.*)$", README, re.MULTILINE)


def test_the_readme_shows_commands():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("line", COMMANDS)
def test_command_runs(run, sampler, line):
    code, out, err = run("design", *shlex.split(line, comments=True))
    assert code == 0, err
    assert "next: open" in out
