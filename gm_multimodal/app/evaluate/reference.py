"""Structures of an evaluation compared with real proteins: a dataset of chains, or a folder of structures."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gm_multimodal import __version__
from gm_multimodal.app.evaluate.inputs import read_structures, structure_files
from gm_multimodal.app.evaluate.known_figures import Kept, is_figure
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.metrics import per_structure
from gm_multimodal.protein.metrics.distributions import (
    circular_wasserstein_distance,
    standardised_frechet_distance,
    wasserstein_distance,
)
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.metrics.novelty import LENGTH_WINDOW, References, highest_tm
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.reading import DATASET_SHARE

MOST_DESCRIBED: Final = 500
"""Reference structures whose figures are computed for distributions: evenly chosen among those of fitting lengths."""

FEATURES: Final = (
    "dssp_helix",
    "dssp_strand",
    "gyration_ratio",
    "contacts_per_residue",
    "contact_order",
    "ramachandran_favoured",
)
"""Figures that make up the vector of the Frechet distance; all of them vary among real proteins, unlike bonds."""

_FEWEST: Final = 10  # structures; below, a covariance says nothing
_SHARES: Final = ("length", "dssp_helix", "dssp_strand", "dssp_coil", "gyration_ratio")
_STRUCTURES_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Reference:
    """What designs are compared with.

    Attributes:
        structures: all of them.
        digest: of their content; names what was kept.
        source: where they come from, for people.
    """

    structures: Sequence[Structure]
    digest: str
    source: str


def read_reference(place: str, split: str, max_bytes: int) -> Reference:
    """Read a dataset (a Parquet file, or a folder with some) or a folder, file or pattern of structures.

    Args:
        place: where they are.
        split: of a dataset.
        max_bytes: of a structure file, unpacked; a dataset may take `DATASET_SHARE` times as much.

    Raises:
        UserInputError: Nothing there can be read.
    """
    path = Path(place)
    if path.suffix == ".parquet" or (path.is_dir() and any(path.glob("*.parquet"))):
        from gm_multimodal.protein.dataset import read_chains

        chains = read_chains(
            path,
            split=None if split == "all" else split,
            min_length=4,
            max_length=10**6,
            max_bytes=DATASET_SHARE * max_bytes,
        )
        structures = [Structure(row.id, place, "", "", row.backbone) for row in chains.rows]
        source = f"{place} ({split} split)" if split != "all" else place
    else:
        found = read_structures(structure_files("reference", place), max_bytes)
        structures = found.structures
        if not structures:
            raise UserInputError(f"reference={place}: no file can be read. The first: {found.rejected[0].reason}")
        source = place
    digest = hashlib.sha256()
    for structure in structures:
        digest.update(structure.backbone.coordinates.tobytes())
    return Reference(structures, digest.hexdigest()[:16], f"{source}, {len(structures):,} chains")


def novelty(
    structures: Sequence[Structure],
    reference: Reference,
    kept: Kept,
    *,
    candidates: int,
    progress: Callable[[int], object],
) -> tuple[dict[str, Definition], list[dict[str, Any]]]:
    """Columns of the most similar reference; what is known already is not computed again."""
    keys = [f"novelty 2 {reference.digest} {candidates} {structure.digest}" for structure in structures]
    missing = [(key, item) for key, item in zip(keys, structures, strict=True) if not kept.has(key, _is_nearest)]
    progress(len(structures) - len(missing))
    if missing:
        chains = [structure.backbone.coordinates for structure in reference.structures]
        known = References.of([structure.name for structure in reference.structures], chains)
        for start in range(0, len(missing), _STRUCTURES_AT_ONCE):
            some = missing[start : start + _STRUCTURES_AT_ONCE]
            asked = [item.backbone.coordinates for _, item in some]
            found = highest_tm(asked, known, candidates=candidates)
            kept.update(
                (key, best and [round(best.tm, 5), best.name]) for (key, _), best in zip(some, found, strict=True)
            )
            progress(len(some))
    reason = f"no reference within {LENGTH_WINDOW} residues"
    rows = []
    for key in keys:
        tm, name = kept[key] or (None, None)
        reasons = {f"{column} reason": reason for column in ("novelty_tm", "nearest_reference")} if tm is None else {}
        rows.append({"novelty_tm": tm, "nearest_reference": name, **reasons})
    return _novelty_definitions(reference, candidates), rows


def _is_nearest(value: object) -> bool:
    """Return whether a value that was kept is a score and a name, or None."""
    if not isinstance(value, list):
        return value is None
    return len(value) == 2 and value[0] is not None and is_figure(value[0]) and isinstance(value[1], str)


def _are_figures(value: object, count: int) -> bool:
    """Return whether a value that was kept is a row of all figures for each of `count` structures."""
    names = {"length", *per_structure.definitions()}
    rows = value if isinstance(value, list) and len(value) == count else [None]
    return all(isinstance(row, dict) and set(row) == names and all(map(is_figure, row.values())) for row in rows)


def _novelty_definitions(reference: Reference, candidates: int) -> dict[str, Definition]:
    bound = f"+- {LENGTH_WINDOW} residues, {candidates} candidates"
    texts = {
        "novelty_tm": "Highest TM-score to the reference, normalised by the own length; lower is newer",
        "nearest_reference": "The reference of that score",
    }
    return {
        column: Definition(f"{text} ({reference.source})", "gm_multimodal", __version__, "CA", bound)
        for column, text in texts.items()
    }


def described(structures: Sequence[Structure], reference: Reference) -> list[Structure]:
    """Return the references for distributions: of the lengths of the structures +- 15, evenly chosen, at most 500."""
    lengths = [len(structure) for structure in structures]
    low, high = min(lengths) - LENGTH_WINDOW, max(lengths) + LENGTH_WINDOW
    fitting = [structure for structure in reference.structures if low <= len(structure) <= high]
    step = max(1, -(-len(fitting) // MOST_DESCRIBED))
    return fitting[::step]


def reference_figures(
    some: Sequence[Structure], reference: Reference, kept: Kept, progress: Callable[[int], object]
) -> list[dict[str, float | None]]:
    """Figures of reference structures by column, `length` among them; kept as a whole."""
    names = hashlib.sha256("\n".join(structure.name for structure in some).encode()).hexdigest()[:16]
    key = f"figures 2 {__version__} {reference.digest} {names}"
    if not kept.has(key, lambda value: _are_figures(value, len(some))):
        rows = []
        for structure in some:
            rows.append({"length": float(len(structure)), **per_structure.measure(structure)[0]})
            progress(1)
        kept.update([(key, rows)])
    else:
        progress(len(some))
    figures: list[dict[str, float | None]] = kept[key]
    return figures


def distances(
    rows: Sequence[dict[str, Any]],
    structures: Sequence[Structure],
    reference_rows: Sequence[dict[str, Any]],
    references: Sequence[Structure],
    source: str,
) -> dict[str, Any]:
    """Distances of the distributions of figures to those of the references, each with its definition."""
    found: dict[str, Any] = {}
    against = f"{len(references)} (evenly chosen, of the designs' lengths +- {LENGTH_WINDOW}) of {source}"

    def add(name: str, text: str, value: float | None, reason: str = "") -> None:
        definition = vars(Definition(f"{text}, against {against}", "gm_multimodal", __version__, "N, CA, C, O"))
        found[name] = {"value": value, "definition": definition} | ({"empty": reason} if value is None else {})

    ours, theirs = _vectors(rows), _vectors(reference_rows)
    text = f"Squared Frechet distance over {', '.join(FEATURES)}, each in standard deviations of the reference"
    if min(len(ours), len(theirs)) >= _FEWEST:
        add("frechet", text, standardised_frechet_distance(ours, theirs))
    else:
        add("frechet", text, None, f"fewer than {_FEWEST} structures")
    for name in _SHARES if references else ():
        x, y = (np.array([row[name] for row in some], dtype=np.float64) for some in (rows, reference_rows))
        add(f"wasserstein_{name}", f"Wasserstein distance of {name}", wasserstein_distance(x, y))
    for k, angle in enumerate(("phi", "psi")):
        those, others = (_angles(some, k) for some in (structures, references))
        value = circular_wasserstein_distance(those, others) if len(those) and len(others) else None
        add(f"wasserstein_{angle}", f"Wasserstein distance of {angle} on the circle, degrees", value, "no torsions")
    return found


def _vectors(rows: Sequence[dict[str, Any]]) -> npt.NDArray[np.floating]:
    complete = [[row[name] for name in FEATURES] for row in rows if all(row[name] is not None for name in FEATURES)]
    return np.array(complete, dtype=np.float64).reshape(-1, len(FEATURES))


def _angles(structures: Sequence[Structure], which: int) -> npt.NDArray[np.floating]:
    values = np.concatenate([structure.torsions[:, which] for structure in structures] or [np.zeros(0)])
    return values[np.isfinite(values)]
