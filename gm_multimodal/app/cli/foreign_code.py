"""Whose code may run: names of classes outside this package count where they are typed, not where a file has them."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from gm_multimodal.errors import UserInputError
from gm_multimodal.training.catalogue import TARGET, foreign_names

ALLOW: str = "allow_code"
_BETWEEN_NAMES = re.compile(r"[^\w.]+")


def check_typed(config: Any, overrides: Iterable[str]) -> None:
    """Refuse a configuration in which a file, not the command line, decides that code of others runs.

    Args:
        config: instance of a command's schema.
        overrides: what was typed.

    Raises:
        UserInputError: A class outside this package, or `allow_code=true`, that was not typed.
    """
    typed = {name for override in overrides for name in _BETWEEN_NAMES.split(override)}
    content = {item.name: getattr(config, item.name) for item in dataclasses.fields(config)}
    is_allowed = content.get(ALLOW, False)
    if is_allowed and ALLOW not in typed:
        raise UserInputError(f"{ALLOW}=true stands in a configuration file: it counts only where it is typed.")
    for name in foreign_names(content):
        if name not in typed and not is_allowed:
            raise UserInputError(
                f"{TARGET} {name} stands in a configuration file and is not a class of gm_multimodal: type it on the "
                f"command line or, if you know that code, add {ALLOW}=true."
            )


def recorded(config: Any) -> dict[str, Any]:
    """Return a configuration as a run folder records it: what may run is asked anew every time."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key != ALLOW}
