"""What a command offers, read from the comments of its YAML file: the one place of defaults and help texts.

The files are read as lines, not as YAML, because `--help` must not wait for Hydra or PyYAML. The form is fixed (a test
reads every file both ways): a first line `# summary`, then `key: default  # help` and, under `defaults`,
`  - group: choice  # help`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OPTION = re.compile(r"(?P<key>\w+): (?P<default>.*?)\s+# (?P<help>.+)")
_GROUP = re.compile(r"\s+- (?P<key>[\w/]+): (?P<default>\w+)\s+# (?P<help>.+)")


@dataclass(frozen=True)
class Option:
    """One `key=value` of a command; `choices` names the files of a config group and is empty for plain options."""

    key: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command's name, summary and options, in the order of its YAML file."""

    name: str
    summary: str
    options: tuple[Option, ...]
    groups: tuple[Option, ...]

    def names(self) -> tuple[str, ...]:
        """Return every name a command line may give: options, config groups and what their default choices offer."""
        inner = [option.key for group in self.groups for option in group_options(group)]
        return (*(option.key for option in self.options), *(group.key for group in self.groups), *inner)


def as_text(value: object) -> str:
    """Return a value as the YAML files write it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def config_directory() -> Path:
    """Return the folder of YAML files: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def config_name(command: str) -> str:
    """Return the name of a command's file without its ending: that of `images train` is images_train."""
    return command.replace(" ", "_")


def read_command(name: str) -> Command:
    """Read the summary, options and config groups of one command."""
    file = config_directory() / f"{config_name(name)}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    options = [Option(match["key"], match["default"], match["help"]) for match in _matches(_OPTION, lines)]
    groups = [
        Option(match["key"], match["default"], match["help"], _choices(config_directory() / match["key"]))
        for match in _matches(_GROUP, lines)
    ]
    return Command(name, lines[0].removeprefix("# "), tuple(options), tuple(groups))


def group_options(group: Option) -> tuple[Option, ...]:
    """Return the options that the default choice of a config group brings, with their full dotted keys."""
    file = config_directory() / group.key / f"{group.default}.yaml"
    prefix = group.key.replace("/", ".")
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(
        Option(f"{prefix}.{match['key']}", match["default"], match["help"]) for match in _matches(_OPTION, lines)
    )


def _matches(pattern: re.Pattern[str], lines: list[str]) -> Iterator[re.Match[str]]:
    return (match for line in lines if (match := pattern.fullmatch(line)))


def _choices(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in folder.glob("*.yaml")))
