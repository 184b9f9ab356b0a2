"""The `gm-multimodal` command: finds the subcommand before anything heavy is imported."""

import difflib
import os
import sys
from collections.abc import Sequence

from gm_multimodal import __version__
from gm_multimodal.app.cli.commands import COMMANDS
from gm_multimodal.app.cli.failures import report_failure
from gm_multimodal.app.cli.help import command_page, overview
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.errors import UserInputError

_HELP = {"-h", "--help"}
_FAMILIES = {name.partition(" ")[0] for name in COMMANDS if " " in name}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 (the user can mend it), 130 (Ctrl-C) or 1 (a bug)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A family and its member are one name: `images train`.
    if given and given[0] in _FAMILIES and given[1:2] and not given[1].startswith("-"):
        given[:2] = [" ".join(given[:2])]
    command = given[0] if given and given[0] in COMMANDS else ""
    try:
        code = _dispatch(given)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Who read our output has gone, as `| head` does: nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error, command)


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in _HELP:
        show(*overview(list(COMMANDS)).split("\n"))
        return 0
    if "--version" in given:
        show(f"gm-multimodal {__version__}")
        return 0
    command, *arguments = given
    if command in _FAMILIES and (not arguments or _HELP & set(arguments)):
        show(*overview([name for name in COMMANDS if name.startswith(f"{command} ")]).split("\n"))
        return 0
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserInputError(f"unknown command {command}: {hint}The commands are {', '.join(COMMANDS)}.")
    if _HELP & set(arguments):
        show(*command_page(command).split("\n"))
        return 0
    from gm_multimodal.app.cli.startup import prepare_process

    prepare_process()
    from gm_multimodal.app.cli.run import run

    return run(command, COMMANDS[command], arguments)
