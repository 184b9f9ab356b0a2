"""The help pages, written from what `options` reads."""

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from gm_multimodal.app.cli.options import Option, group_options, read_command

_FLAGS = (
    ("-m, --multirun", "run every combination of comma-separated values; job k writes to out/<k>"),
    ("-c, --cfg job", "print the configuration and stop (--resolve: with interpolations filled in; --package: a part)"),
    ("-cd, --config-dir DIR", "look for further config groups in DIR"),
    ("-cn, --config-name NAME", "begin with DIR/NAME.yaml, which may name the command's own file in its defaults"),
    ("-i, --info [TOPIC]", "print what Hydra knows: all, config, defaults, defaults-tree, plugins or searchpath"),
)

_LONGEST = 40  # characters of a default value; a longer one stands in the file of its group
_REQUIRED = "???"  # Hydra's mark of a value without default


def overview(commands: Sequence[str]) -> str:
    """Return the page of `gm-multimodal --help`."""
    rows = [(name, read_command(name).summary) for name in commands]
    return "\n".join(
        [
            "gm-multimodal designs proteins, backbone and sequence together, with Generator Matching.",
            "",
            "usage: gm-multimodal COMMAND [OPTION=VALUE ...]",
            "",
            *_table(rows),
            "",
            "gm-multimodal COMMAND --help lists a command's options; gm-multimodal --version prints the version.",
        ]
    )


def command_page(name: str) -> str:
    """Return the page of `gm-multimodal NAME --help`."""
    command = read_command(name)
    lines = [command.summary, "", f"usage: gm-multimodal {name} [OPTION=VALUE ...]", "", "options, with defaults:"]
    lines += _table(_row(option) for option in command.options)
    if command.groups:
        lines += ["", "config groups, with defaults, and what the default choice offers:"]
        for group in command.groups:
            lines += _table(_group_rows(group))
    lines += ["", "flags, as Hydra has them:", *_table(_FLAGS)]
    lines += ["", "Exit codes: 2 what you can mend in the command or its inputs, 130 after Ctrl-C, 1 otherwise."]
    return "\n".join([*lines, "GM_MULTIMODAL_TRACEBACK=1 in the environment shows where an error arose."])


def _group_rows(group: Option) -> list[tuple[str, str]]:
    others = [choice for choice in group.choices if choice != group.default]
    choices = f" (or {', '.join(others)})" if others else ""
    inner = [(f"  {left}", right) for left, right in map(_row, group_options(group))]
    return [(f"{group.key}={group.default}", group.help + choices), *inner]


def _row(option: Option) -> tuple[str, str]:
    if option.default == _REQUIRED:
        return f"{option.key}=VALUE", f"{option.help} (required)"
    default = option.default if len(option.default) <= _LONGEST else f"{option.default[: _LONGEST - 4]} ..."
    return f"{option.key}={default}", option.help


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Set two columns; help texts wrap under themselves, and start on a line of their own after a long left side."""
    column, width = 40, max(shutil.get_terminal_size((120, 24)).columns, 60)
    lines = []
    for left, right in rows:
        first, *rest = textwrap.wrap(right, width - column) or [""]
        if len(left) + 4 > column:
            lines += [f"  {left}", " " * column + first]
        else:
            lines.append(f"  {left}".ljust(column) + first)
        lines += [" " * column + line for line in rest]
    return lines
