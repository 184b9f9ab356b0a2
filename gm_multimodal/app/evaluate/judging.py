"""Judges look at each structure once: what they said is kept, and only what is new is shown to them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from gm_multimodal.app.evaluate.known_figures import Kept, is_figure
from gm_multimodal.protein.metrics.figures import Judge
from gm_multimodal.protein.metrics.structure import Structure

AT_ONCE: Final = 8
"""Structures shown to a judge together: many enough to share its start, few enough to lose little by a kill."""

Columns = Mapping[str, float | str | None]


def judged(
    judge: Judge, structures: Sequence[Structure], kept: Kept, progress: Callable[[int], object]
) -> list[Columns]:
    """Return a judge's columns of each structure, in order.

    Args:
        judge: whom to ask.
        structures: whom to judge.
        kept: what is known already; grows.
        progress: called with the number of structures that are done, again and again.
    """
    keys = [f"judge {_identity(judge)} {structure.digest}" for structure in structures]
    is_known = partial(_is_of, judge)
    missing = [(key, item) for key, item in zip(keys, structures, strict=True) if not kept.has(key, is_known)]
    progress(len(structures) - len(missing))
    for start in range(0, len(missing), AT_ONCE):
        some = missing[start : start + AT_ONCE]
        columns = judge.judge([structure.backbone for _, structure in some])
        kept.update((key, dict(values)) for (key, _), values in zip(some, columns, strict=True))
        progress(len(some))
    return [kept[key] for key in keys]


def _is_of(judge: Judge, value: object) -> bool:
    """Return whether a value that was kept is what a judge says: figures and texts under names of its columns."""
    names = {name for column in judge.definitions for name in (column, f"{column} reason")}
    return isinstance(value, dict) and all(
        name in names and (is_figure(said) or isinstance(said, str)) for name, said in value.items()
    )


def _identity(judge: Judge) -> str:
    """Return a digest of everything that a judge says of itself: another tool, version or setting is another judge."""
    said = {column: asdict(definition) for column, definition in judge.definitions.items()}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
