"""The README is short, its links lead somewhere, and every design command of README and docs runs as it stands."""

import re
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from gm_multimodal.app.cli.arguments import quote_literals
from gm_multimodal.app.cli.checks import literal_keys
from gm_multimodal.app.cli.options import config_directory, read_command
from gm_multimodal.app.cli.schema import checked
from gm_multimodal.app.design.options import DesignConfig

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("[gt]*/*.md"))]
TEXTS = [page.read_text(encoding="utf-8") for page in PAGES]
# A variable of the shell is the reader's.
COMMAND = re.compile(r"^(?:scripts/|gm-multimodal )design ([^$\n]*)$", re.MULTILINE)
COMMANDS = sorted({line for text in TEXTS for line in COMMAND.findall(text)})


def test_the_pages_show_commands():
    assert len(COMMANDS) >= 12


def test_the_readme_is_short():
    assert len(TEXTS[0].splitlines()) <= 160


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """What mkdocs checks of the site holds of the README, and where the files are read in the repository."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_work_one_after_the_other(page):
    """A folder belongs to one run: of two commands that write to the same, one must be the other with more designs."""
    runs = {}
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True)
        if "-m" in words:
            continue
        with initialize_config_dir(str(config_directory()), version_base="1.3"):
            composed = compose("design", overrides=[*quote_literals(words, literal_keys(DesignConfig))])
        settings = asdict(checked(composed, DesignConfig, read_command("design"))) | {"num_designs": None}
        assert runs.setdefault(settings["out"], settings) == settings, line
