"""YAML files of folders that travel: plain values, bounded, and nothing that stands for more than it shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from gm_multimodal.errors import TooLarge, UserInputError
from gm_multimodal.reading import read_bytes

_MOST_BYTES: Final = 256_000  # records have a few thousand, and a loader makes a kilobyte of two


class _PlainLoader(yaml.SafeLoader):
    """The loader of plain values; without aliases, of which a few lines stand for any amount."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it repeats a part of itself by an alias")
        return super().compose_node(parent, index)


def as_yaml(content: Mapping[str, Any]) -> str:
    """Return plain values as YAML in their order; what is not printable stands there as its escape."""
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=False)


def read_yaml(file: Path) -> Any:
    """Return what a YAML file holds, as plain values.

    Raises:
        UserInputError: It is malformed, larger than any record, or has aliases.
    """
    try:
        return yaml.load(read_bytes(file, _MOST_BYTES).decode("utf-8"), _PlainLoader)
    except TooLarge as error:
        raise UserInputError(f"{file} cannot be read (it {error.reason})") from error
    except RecursionError as error:
        raise UserInputError(f"{file} cannot be read (it is nested too deeply)") from error
    except Exception as error:  # a loader raises what the constructors of numbers, dates and sets do
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserInputError(f"{file} cannot be read ({reason})") from error
