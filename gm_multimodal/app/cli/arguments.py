"""The command line before Hydra sees it: flags apart from overrides, unknown names refused, literal values quoted."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from gm_multimodal.app.cli.options import Command
from gm_multimodal.errors import UserInputError

_OVERRIDE = re.compile(r"(?P<sign>\+\+|\+|~)?(?P<key>[^=]+)=(?P<value>.*)", re.DOTALL)
_WITH_VALUE = {"-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name"} | {
    "-cd",
    "--config-dir",
    "--experimental-rerun",
}
_ALONE = {"-r", "--run", "-m", "--multirun", "-sc", "--shell-completion", "--resolve", "--hydra-help"}
_INFO = {"-i", "--info"}
_INFO_TOPICS = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (Hydra's flags with their values, overrides), whatever the order they came in.

    Raises:
        UserInputError: A flag that Hydra does not have, such as `--length`.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name = argument.partition("=")[0]
        if not argument.startswith("-"):
            # argparse takes the topic of --info from the argument that follows it.
            follows_info = bool(flags) and flags[-1] in _INFO and argument in _INFO_TOPICS
            (flags if follows_info else overrides).append(argument)
        elif name in _ALONE | _WITH_VALUE | _INFO:
            flags.append(argument)
            if argument in _WITH_VALUE:
                flags.extend([value for value in [next(rest, None)] if value is not None])
        else:
            option = name.lstrip("-").replace("-", "_")
            raise UserInputError(f"{name} is not a flag of this command: options are written {option}=VALUE.")
    return flags, overrides


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


def quote_literals(overrides: Iterable[str], literal: Collection[str]) -> list[str]:
    """Quote the values of literal keys, so that Hydra's grammar and OmegaConf's interpolation leave them alone."""
    quoted = []
    for override in overrides:
        match = _OVERRIDE.fullmatch(override)
        if match and match["key"] in literal:
            override = f"{match['sign'] or ''}{match['key']}={quote(match['value'])}"
        quoted.append(override)
    return quoted


def quote(value: str) -> str:
    """Return a value in Hydra's quotes that reads back as the same characters."""
    from hydra.core.override_parser.types import Quote, QuotedString

    # OmegaConf reads ${...} later, in any string: a backslash before it, and twice those already there, keeps it.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    return QuotedString(text=escaped, quote=Quote.single).with_quotes()


def _root(key: str) -> str:
    return re.split(r"[./@]", key, maxsplit=1)[0]
