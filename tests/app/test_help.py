import subprocess
import sys

import pytest

from gm_multimodal import __version__
from gm_multimodal.app.cli.commands import COMMANDS
from gm_multimodal.app.cli.options import read_command

HEAVY = {"torch", "hydra", "omegaconf", "numpy", "yaml", "biotite", "e3nn", "lightning", "pandas"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["design", "--help"], ["train", "-h"], ["images", "train", "-h"]]
)
def test_help_imports_nothing_heavy(arguments):
    script = (
        "import sys; from gm_multimodal.app.cli import main; code = main(sys.argv[1:]); "
        f"loaded = {HEAVY!r} & set(sys.modules); print(loaded, file=sys.stderr); sys.exit(code or bool(loaded))"
    )
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option_with_its_default_and_meaning(run, command):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    words = " ".join(out.split())
    for option in read_command(command).options:
        default = "VALUE" if option.default == "???" else option.default
        assert f"{option.key}={default} {option.help}" in words
    for group in read_command(command).groups:
        assert f"{group.key}={group.default} {group.help}" in words


def test_help_lists_the_options_of_a_group(run):
    _, out, _ = run("design", "--help")
    assert "process.sequence.order=" in out


def test_help_wraps_within_the_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("design", "--help")
    option_lines = out.split("Exit codes")[0].splitlines()
    assert max(map(len, option_lines)) <= 80


def test_overview_names_every_command(run):
    for arguments in ([], ["--help"], ["-h"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert all(f"  {command} " in out for command in COMMANDS)


def test_version(run):
    assert run("--version")[:2] == (0, f"gm-multimodal {__version__}\n")
    assert run("design", "--version")[:2] == (0, f"gm-multimodal {__version__}\n")


def test_module_runs_as_the_command():
    result = subprocess.run([sys.executable, "-m", "gm_multimodal", "--version"], capture_output=True, text=True)
    assert result.stdout == f"gm-multimodal {__version__}\n"


def test_a_reader_that_has_gone_is_no_error():
    command = [sys.executable, "-m", "gm_multimodal", "design", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_family_names_its_commands(run):
    for arguments in (["images"], ["images", "--help"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "  images train " in out and "  images sample " in out and "  design " not in out
