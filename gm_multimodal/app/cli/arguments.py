"""The command line before Hydra sees it: flags apart from overrides, unknown names refused, literal values quoted."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gm_multimodal.app.cli.options import Command
from gm_multimodal.errors import UserInputError

_OVERRIDE = re.compile(r"(?P<sign>\+\+|\+|~)?(?P<key>[^=]+)=(?P<value>.*)", re.DOTALL)
_SHORT: Final = {
    "-m": "--multirun",
    "-c": "--cfg",
    "-p": "--package",
    "-i": "--info",
    "-cd": "--config-dir",
    "-cn": "--config-name",
}
_WITHOUT_VALUE: Final = ("--multirun", "--resolve")
_CHOICES: Final = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
}


@dataclass(frozen=True)
class Arguments:
    """What was typed behind the name of a command.

    Attributes:
        overrides: `name=value` in their order.
        multirun: whether every combination of comma-separated values runs.
        cfg: which configuration to show: job, hydra or all.
        package: the part of it to show.
        resolve: whether it is shown with interpolations filled in.
        info: what of Hydra to show.
        config_dir: a folder with further config groups.
        config_name: the main file of the configuration, in place of the command's.
    """

    overrides: tuple[str, ...] = ()
    multirun: bool = False
    cfg: str | None = None
    package: str | None = None
    resolve: bool = False
    info: str | None = None
    config_dir: str | None = None
    config_name: str | None = None


def read_arguments(arguments: Sequence[str]) -> Arguments:
    """Tell flags from overrides, whatever the order they came in.

    Raises:
        UserInputError: A flag that does not exist, such as `--length`, lacks its value, or does not go with another.
    """
    flags: dict[str, str | bool] = {}
    overrides: list[str] = []
    rest = iter(arguments)
    waiting = next(rest, None)
    while waiting is not None:
        argument, waiting = waiting, next(rest, None)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, sign, value = argument.partition("=")
        flag = _SHORT.get(name, name)
        if flag in _WITHOUT_VALUE and not sign:
            flags[flag] = True
        elif flag == "--info" and not sign:  # its topic may be left out
            has_topic = waiting in _CHOICES[flag]
            flags[flag] = str(waiting) if has_topic else "all"
            waiting = next(rest, None) if has_topic else waiting
        elif flag in {*_SHORT.values()} - {*_WITHOUT_VALUE}:
            flags[flag] = value if sign else _value(flag, waiting)
            waiting = waiting if sign else next(rest, None)
        else:
            option = name.lstrip("-").replace("-", "_")
            raise UserInputError(f"{name} is not a flag of this command: options are written {option}=VALUE.")
    if "hydra.mode=MULTIRUN" in overrides:  # the same, as Hydra's option
        flags["--multirun"] = True
    _check_flags(flags)
    fields = {flag.removeprefix("--").replace("-", "_"): value for flag, value in flags.items()}
    return Arguments(tuple(overrides), **fields)  # type: ignore[arg-type]


def _value(flag: str, following: str | None) -> str:
    if following is None:
        raise UserInputError(f"{flag} lacks its value: give {flag} VALUE.")
    return following


def _check_flags(flags: Mapping[str, str | bool]) -> None:
    """Refuse values that a flag does not take, and flags that do not go together."""
    for flag, choices in _CHOICES.items():
        if flag in flags and flags[flag] not in choices:
            raise UserInputError(f"{flag} {flags[flag]} is not one of {', '.join(choices)}.")
    asked = [flag for flag in ("--multirun", "--cfg", "--info") if flag in flags]
    if len(asked) > 1:
        raise UserInputError(f"{' and '.join(asked)} do not go together: give one of them.")
    for flag in ("--resolve", "--package"):
        if flag in flags and "--cfg" not in flags:
            raise UserInputError(f"{flag} is about what --cfg shows: add --cfg job.")


def check_names(overrides: Iterable[str], command: Command, settled: Mapping[str, str]) -> None:
    """Refuse overrides that are not name=value, and names whose first part is none of the command's.

    Args:
        overrides: what the user typed, flags apart.
        command: what the command offers.
        settled: what it does not, and why.

    Raises:
        UserInputError: Naming the nearest known name.
    """
    roots = {_root(name) for name in command.names()} | {"hydra"}
    for override in overrides:
        match = _OVERRIDE.fullmatch(override)
        if match is None and not override.startswith("~"):
            raise UserInputError(f"{override!r} is not an option: write NAME=VALUE without blanks around the sign.")
        key = match["key"] if match else override.removeprefix("~")
        if _root(key) in settled:
            raise UserInputError(f"{key} cannot be given to {command.name}: {settled[_root(key)]}.")
        if _root(key) not in roots:
            raise UserInputError(unknown_name(key, command))


def unknown_name(key: str, command: Command) -> str:
    """Return the message for an option that does not exist, with the nearest that does."""
    near = difflib.get_close_matches(key, command.names(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown option {key}: {hint}`gm-multimodal {command.name} --help` lists the options."


def quote_literals(overrides: Iterable[str], literal: Collection[str]) -> Iterator[str]:
    """Quote the values of literal keys, so that Hydra's grammar and OmegaConf's interpolation leave them alone."""
    for override in overrides:
        match = _OVERRIDE.fullmatch(override)
        if match and match["key"] in literal:
            override = f"{match['sign'] or ''}{match['key']}={quote(match['value'])}"
        yield override


def quote(value: str) -> str:
    """Return a value in Hydra's quotes that reads back as the same characters, `~` in front being the home folder.

    A shell expands `~` at the beginning of a word alone, and `out=~/designs` begins with `out`.
    """
    from hydra.core.override_parser.types import Quote, QuotedString

    # OmegaConf reads ${...} later, in any string: a backslash before it, and twice those already there, keeps it.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", os.path.expanduser(value))
    return QuotedString(text=escaped, quote=Quote.single).with_quotes()


def _root(key: str) -> str:
    return re.split(r"[./@]", key, maxsplit=1)[0]
