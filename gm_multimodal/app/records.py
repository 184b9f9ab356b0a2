"""The config.yaml that a folder of ours holds: what was asked for, and what it was made with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gm_multimodal.errors import UserInputError


def read_record(file: Path, key: str, kind: str) -> Mapping[str, Any]:
    """Return what a record holds.

    Args:
        file: the record.
        key: an entry that every record of its kind has.
        kind: of what it is the record, for the message.

    Raises:
        UserInputError: It is malformed, or not one of ours.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserInputError(f"{file} cannot be read: give another out=FOLDER.") from error
    if not isinstance(content, dict) or key not in content:
        raise UserInputError(f"{file} is not the record of a {kind} of ours: give another out=FOLDER.")
    return content
