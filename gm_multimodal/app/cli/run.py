"""Run one command through Hydra: composition, multirun, and errors that end in one line."""

import dataclasses
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gm_multimodal.app.cli.arguments import check_names, quote, quote_literals, split_arguments, unknown_name
from gm_multimodal.app.cli.checks import literal_keys
from gm_multimodal.app.cli.commands import Entry
from gm_multimodal.app.cli.failures import report_failure
from gm_multimodal.app.cli.foreign_code import check_typed
from gm_multimodal.app.cli.options import Command, config_directory, config_name, read_command
from gm_multimodal.app.cli.schema import checked
from gm_multimodal.errors import UserInputError


def launch(command: str, entry: Entry, arguments: Sequence[str]) -> int:
    """Compose the configuration of a command, check it against its schema and call the command's function.

    The function is imported after the check, so that a mistyped value does not wait for torch. In a multirun every
    job runs, failures are told as they happen, and `out` of job k becomes out/<k>.

    Args:
        command: name of the command.
        entry: where the schema of its configuration and its function are.
        arguments: the command line after the command's name.

    Returns:
        The exit code: the worst of all jobs.

    Raises:
        UserInputError: Hydra could not compose what was asked for.
    """
    offered, schema = read_command(command), load(entry.schema)
    folder, name = str(config_directory()), config_name(command)
    flags, overrides = split_arguments(arguments)
    check_names(overrides, offered, entry.settled)
    codes = [0]
    launcher = os.getpid()
    typed = sys.argv

    def task(composed: DictConfig) -> None:
        # Lightning starts the other processes of a training with the command line that it finds.
        sys.argv = typed
        try:
            config = _job_config(checked(composed, schema, offered))
            check_typed(config, overrides)
            load(entry.function)(config)
        except Exception as error:
            if os.getpid() != launcher:
                raise  # a launcher plugin's worker: Hydra carries the error home
            codes.append(report_failure(error, command))

    with (
        _quiet_hydra(overrides) as settings,
        _command_line([*flags, *settings, *quote_literals(overrides, literal_keys(schema))]),
    ):
        try:
            hydra.main(version_base="1.3", config_path=folder, config_name=name)(task)()
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise UserInputError(_explain(error, offered)) from error
    return max(codes, key=_severity)


def _severity(code: int) -> int:
    return {0: 0, 2: 1}.get(code, 2)


def load(place: str) -> Any:
    """Import what "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _job_config(config: Any) -> Any:
    """Give job k of a multirun its own folder out/<k>."""
    job = HydraConfig.get()
    if job.mode != RunMode.MULTIRUN or "out" not in {item.name for item in dataclasses.fields(config)}:
        return config
    return dataclasses.replace(config, out=os.path.join(config.out, str(job.job.num)))


@contextmanager
def _quiet_hydra(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Yield the settings by which Hydra writes no file, keeps no folder and logs nothing; the user's own go first."""
    # Hydra makes it, in a multirun alone; its name cannot be foreseen, so that what goes is ours.
    sweep = Path(tempfile.gettempdir()) / f"gm-multimodal-sweep-{secrets.token_hex(8)}"
    settings = {
        "hydra.run.dir": ".",
        "hydra.sweep.dir": quote(str(sweep)),
        "hydra.output_subdir": "null",
        "hydra/job_logging": "disabled",
        "hydra/hydra_logging": "disabled",
    }
    given = {override.partition("=")[0] for override in overrides}
    try:
        yield [f"{key}={value}" for key, value in settings.items() if key not in given]
    finally:
        shutil.rmtree(sweep, ignore_errors=True)


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """Let Hydra, which reads sys.argv alone, see these arguments and hand its errors to us."""
    before, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["gm-multimodal", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        os.environ.pop("HYDRA_FULL_ERROR")
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _explain(error: Exception, command: Command) -> str:
    """Say in one line what Hydra says in several."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override}: {lines[0]}. Inner quotes protect special characters: \"NAME='a(b)'\"."
    if isinstance(error, MissingConfigException) and error.options:
        return f"there is no {error.missing_cfg_file}: choose one of {', '.join(error.options)}."
    if text.startswith("Could not override '"):
        return unknown_name(text.split("'")[1], command)
    if text.startswith("Ambiguous value for argument '"):
        return f"{text.split(chr(39))[1]} holds several values: add -m to run one after the other."
    return " ".join(lines)
