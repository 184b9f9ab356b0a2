"""Whose code may run: names of classes outside this package count where they are typed, not where a file has them."""

import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from gm_multimodal.errors import UserInputError
from gm_multimodal.training.catalogue import PACKAGE, TARGET, foreign_names

ALLOW: str = "allow_code"
_BETWEEN_NAMES = re.compile(r"[^\w.]+")
Config = TypeVar("Config")


def check_typed(config: Any, overrides: Iterable[str]) -> None:
    """Refuse a configuration in which a file, not the command line, decides that code of others runs.

    Args:
        config: instance of a command's schema.
        overrides: what was typed.

    Raises:
        UserInputError: A class outside this package, or `allow_code=true`, that was not typed.
    """
    typed = {name for override in overrides for name in _BETWEEN_NAMES.split(override)}
    content = _content(config)
    is_allowed = content.get(ALLOW, False)
    if is_allowed and ALLOW not in typed:
        raise UserInputError(f"{ALLOW}=true stands in a configuration file: it counts only where it is typed.")
    for name in foreign_names(content):
        if name not in typed and not is_allowed:
            raise UserInputError(
                f"{TARGET} {name} stands in a configuration file and is not a class of gm_multimodal: type it on the "
                f"command line or, if you know that code, add {ALLOW}=true."
            )


def import_from_here(config: Any) -> None:
    """Let classes of others be found in the current folder too, behind everything that is installed.

    `python -m gm_multimodal` looks there by itself, the command `gm-multimodal` does not.

    Args:
        config: instance of a command's schema; nothing happens unless it names such a class, or allows one.
    """
    content = _content(config)
    names_others = content.get(ALLOW, False) or any(True for _ in foreign_names(content))
    if names_others and not sys.flags.safe_path and not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def fitted(config: Config, overrides: Iterable[str]) -> Config:
    """Return a configuration in which a class of the user's own has arguments that it takes.

    It stands in the place of another class, whose arguments the file of the config group gives: of these it gets the
    ones that it has. Arguments that were typed stay, and must fit.

    Args:
        config: instance of a command's schema that `check_typed` let pass.
        overrides: what was typed.

    Raises:
        UserInputError: The class cannot be imported.
    """
    typed = {override.partition("=")[0].lstrip("+~") for override in overrides}
    changed = {key: _fitted(value, key, typed) for key, value in _content(config).items() if isinstance(value, Mapping)}
    return dataclasses.replace(config, **changed)  # type: ignore[type-var]


def recorded(config: Any) -> dict[str, Any]:
    """Return a configuration as a run folder records it: what may run is asked anew every time."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key != ALLOW}


def _content(config: Any) -> dict[str, Any]:
    return {item.name: getattr(config, item.name) for item in dataclasses.fields(config)}


def _fitted(node: Mapping[str, Any], place: str, typed: Collection[str]) -> dict[str, Any]:
    is_own = f"{place}.{TARGET}" in typed and not node[TARGET].startswith(PACKAGE)
    takes = _arguments(node[TARGET]) if is_own else None
    return {
        key: _fitted(value, f"{place}.{key}", typed) if isinstance(value, Mapping) else value
        for key, value in node.items()
        if takes is None or key in takes or f"{place}.{key}" in typed
    }


def _arguments(target: str) -> Collection[str] | None:
    """Return the names of the arguments of somebody's class; None if it takes any."""
    from gm_multimodal.training.build import imported  # loads torch

    parameters = inspect.signature(imported(target)).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}
