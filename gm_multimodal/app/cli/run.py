"""Run one command: once, for every combination of values, or only to show its configuration."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from gm_multimodal.app.cli.arguments import Arguments, check_names, quote_literals, read_arguments
from gm_multimodal.app.cli.checks import literal_keys
from gm_multimodal.app.cli.commands import Registered, load
from gm_multimodal.app.cli.composition import composed, hydra_at_work, hydra_errors
from gm_multimodal.app.cli.foreign_code import check_typed, fitted, import_from_here
from gm_multimodal.app.cli.options import config_name, read_command
from gm_multimodal.app.cli.schema import checked
from gm_multimodal.app.cli.sweep import quiet, sweep


def run(command: str, entry: Registered, arguments: Sequence[str]) -> int:
    """Compose the configuration of a command, check it against its schema and call the command's function.

    The function is imported after the check, so that a mistyped value does not wait for torch. In a sweep `out` of
    job k becomes out/<k>.

    Args:
        command: name of the command.
        entry: where the schema of its configuration and its function are.
        arguments: the command line after the command's name.

    Returns:
        The exit code: the worst of all jobs.

    Raises:
        UserInputError: The arguments cannot be read, or do not make a configuration.
    """
    offered, schema, typed = read_command(command), load(entry.schema), read_arguments(arguments)
    check_names(typed.overrides, offered, entry.settled)
    overrides = [*quote_literals(typed.overrides, literal_keys(schema))]
    main = typed.config_name or config_name(command)

    def job(config: Any) -> None:
        check_typed(config, typed.overrides)
        import_from_here(config)
        load(entry.function)(fitted(config, typed.overrides))

    def job_of_many(composition: DictConfig, number: int) -> None:
        job(_in_folder_of_its_own(checked(composition, schema, offered), number))

    with hydra_at_work(typed.config_dir) as hydra:
        if not (typed.multirun or typed.cfg or typed.info):
            config = composed(schema, offered, overrides, main)
        else:
            with hydra_errors(offered), quiet(overrides) as settings:
                if typed.multirun:
                    return sweep(hydra, main, overrides + settings, job_of_many, command)
                _show(hydra, main, overrides + settings, typed)
            return 0
    job(config)
    return 0


def _in_folder_of_its_own(config: Any, number: int) -> Any:
    if "out" not in {item.name for item in dataclasses.fields(config)}:
        return config
    return dataclasses.replace(config, out=os.path.join(config.out, str(number)))


def _show(hydra: Any, main: str, overrides: list[str], typed: Arguments) -> None:
    if typed.cfg:
        hydra.show_cfg(main, overrides, cfg_type=typed.cfg, package=typed.package, resolve=typed.resolve)
    else:
        hydra.show_info(typed.info, config_name=main, overrides=overrides)
