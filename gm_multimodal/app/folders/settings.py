"""What differs between a run on disk and the run that is asked for."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gm_multimodal.errors import UserInputError


def refuse_differences(
    path: Path, old: Mapping[str, Any], new: Mapping[str, Any], *, may_differ: Collection[str] = ()
) -> None:
    """Raise if two nested configurations differ in a key that does not begin with one of `may_differ`.

    Args:
        path: folder of the run, for the message.
        old: configuration on disk.
        new: configuration asked for.
        may_differ: first parts of dotted keys that a continued run may change.

    Raises:
        UserInputError: listing every difference as `key: old -> new`.
    """
    before, now = _flat(old), _flat(new)
    differences = [
        f"{key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')}"
        for key in dict.fromkeys([*now, *before])
        if key.partition(".")[0] not in may_differ and before.get(key) != now.get(key)
    ]
    if differences:
        raise UserInputError(
            f"{path} holds a run with other settings ({', '.join(differences)}). "
            "Give another out=FOLDER, or the old settings to continue it."
        )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
