"""The configuration of a command, composed by Hydra from its YAML files and what was typed, and checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf.errors import OmegaConfBaseException

from gm_multimodal.app.cli.arguments import unknown_name
from gm_multimodal.app.cli.options import Command, config_directory, config_name
from gm_multimodal.app.cli.schema import checked
from gm_multimodal.errors import UserInputError

Schema = TypeVar("Schema")

_CONFIG_DIR: Final[ContextVar[Path | None]] = ContextVar("config_dir", default=None)


class _ConfigDir(SearchPathPlugin):
    """Lets Hydra find config groups in the folder of --config-dir, behind those of this package."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        folder = _CONFIG_DIR.get()
        if folder is not None:
            search_path.append("command-line", f"file://{folder}")


Plugins.instance().register(_ConfigDir)


def composed(schema: type[Schema], command: Command, overrides: list[str], main: str | None = None) -> Schema:
    """Return what a command is asked for, as an instance of its schema.

    Args:
        schema: of the command's configuration.
        command: what the command offers.
        overrides: what was typed, in Hydra's grammar.
        main: name of the main file, in place of the command's own.

    Raises:
        UserInputError: The configuration cannot be composed, or does not fit its schema.
    """
    with hydra_errors(command):
        config = compose(main or config_name(command.name), overrides)
    return checked(config, schema, command)


@contextmanager
def hydra_at_work(config_dir: str | None = None) -> Iterator[Any]:
    """Let Hydra read the YAML files of this package, and yield it.

    Args:
        config_dir: a folder with further config groups.

    Raises:
        UserInputError: There is no such folder.
    """
    folder = None if config_dir is None else Path(config_dir).expanduser().absolute()
    if folder is not None and not folder.is_dir():
        raise UserInputError(f"--config-dir {config_dir} is not a folder: give one that holds config groups.")
    token = _CONFIG_DIR.set(folder)
    try:
        with initialize_config_dir(str(config_directory()), job_name="gm-multimodal", version_base="1.3"):
            yield GlobalHydra.instance().hydra
    finally:
        _CONFIG_DIR.reset(token)


@contextmanager
def hydra_errors(command: Command) -> Iterator[None]:
    """Turn what Hydra cannot compose into one line.

    Raises:
        UserInputError: What is wrong, and what to do.
    """
    try:
        yield
    except UserInputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UserInputError(_explained(error, command)) from error


def _explained(error: Exception, command: Command) -> str:
    """Say in one line what Hydra says in several."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override}: {lines[0]}. Inner quotes protect special characters: \"NAME='a(b)'\"."
    if isinstance(error, MissingConfigException) and error.options:
        return f"there is no {error.missing_cfg_file}: choose one of {', '.join(error.options)}."
    if text.startswith("Could not override '"):
        key = text.split("'")[1]
        own = f" An argument of a class of your own is added by +{key}=VALUE." if "." in key else ""
        return unknown_name(key, command) + own
    if text.startswith("Ambiguous value for argument '"):
        return f"{text.split(chr(39))[1]} holds several values: add -m to run one after the other."
    return " ".join(lines)
