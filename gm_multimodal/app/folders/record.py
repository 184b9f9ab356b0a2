"""The config.yaml that a folder of ours holds: what was asked for, and what it was made with."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gm_multimodal.app.folders.hold import refuse_foreign
from gm_multimodal.app.folders.plain_yaml import as_yaml, read_yaml
from gm_multimodal.app.folders.settings import refuse_differences
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import leftovers, write_atomically

RECORD = "config.yaml"


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
        content = read_yaml(file)
    except UserInputError as error:
        raise UserInputError(f"{error}: give another out=FOLDER.") from error
    if not isinstance(content, dict) or key not in content:
        raise UserInputError(f"{file} is not the record of a {kind} of ours: give another out=FOLDER.")
    return content


def check_record(
    out: Path,
    record: Mapping[str, Any],
    *,
    key: str,
    kind: str,
    may_differ: Collection[str] = (),
    outputs: Collection[str] = (),
) -> None:
    """Refuse a folder that holds other settings, and leave it as it is; arguments and errors of `keep_record`."""
    file = out / RECORD
    if file.is_file():
        refuse_differences(out, read_record(file, key, kind), record, may_differ=may_differ)
    else:
        refuse_foreign(out, outputs)


def keep_record(
    out: Path,
    record: Mapping[str, Any],
    *,
    key: str,
    kind: str,
    may_differ: Collection[str] = (),
    outputs: Collection[str] = (),
) -> None:
    """Write the record of a folder that this run holds, and refuse a folder that holds other settings.

    What a killed run left of it and of the outputs goes.

    Args:
        out: the folder.
        record: what was asked for, and what it is made with.
        key: an entry of it that every record of its kind has.
        kind: of what it is the record, for the message.
        may_differ: first parts of dotted keys that may differ from those of the record that is there.
        outputs: names of what the run writes beside the record.

    Raises:
        UserInputError: The record that is there is malformed, is none of ours, or says something else; or there is
            none, but a file in the place of an output.
    """
    check_record(out, record, key=key, kind=kind, may_differ=may_differ, outputs=outputs)
    for file in leftovers(out, "|".join(map(re.escape, (RECORD, *outputs)))):
        file.unlink()
    write_atomically(out / RECORD, as_yaml(record))
