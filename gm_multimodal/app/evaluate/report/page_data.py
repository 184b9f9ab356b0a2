"""What the page's script reads: structures, their figures, TM-scores and trajectories, as small as they get."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.app.evaluate.report.results import Results
from gm_multimodal.app.html import script_json
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.metrics import ramachandran
from gm_multimodal.protein.metrics.clusters import clusters_of, symmetric
from gm_multimodal.protein.metrics.secondary_structure import HELIX, STRAND
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.metrics.superposition import superpose
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.trajectory import read_alpha_carbons

MOST_DRAWN: Final = 300
"""Structures that can be looked at in the page; the table lists all."""

MOST_TRAJECTORIES: Final = 12
MOST_FRAMES: Final = 40
_STEPS_PER_ANGSTROM: Final = 50  # of coordinates in the page: 0.02 Angstrom
_FARTHEST: Final = 600.0  # Angstrom; what two bytes hold

Floats = npt.NDArray[np.floating]


def payload(results: Results) -> str:
    """Return the data of the page as JSON that may stand inside a script element."""
    table = results.table
    definitions = [{"name": name, **vars(definition)} for name, definition in table.definitions.items()]
    content = {
        "columns": definitions,
        "structures": [
            _structure(structure, row, reasons, is_drawn=k < MOST_DRAWN)
            for k, (structure, row, reasons) in enumerate(zip(table.structures, table.rows, table.reasons, strict=True))
        ],
        "tm": _scores(results.matrix),
        "trajectories": _trajectories(table.structures[:MOST_DRAWN]),
    }
    return script_json(content)


def _structure(
    structure: Structure, row: Mapping[str, Any], reasons: Mapping[str, str], *, is_drawn: bool
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": structure.name,
        "file": structure.file,
        "length": len(structure),
        "values": [_short(value) for value in row.values()],
        "reasons": reasons,
    }
    if is_drawn:
        entry |= {
            "ca": _packed(_upright(structure)[0]),
            "ss": "".join("H" if c in HELIX else "E" if c in STRAND else "C" for c in structure.letters),
            "rama": _region_letters(structure),
            "sequence": decode(structure.backbone.tokens),
        }
        if structure.residue_confidence is not None:
            shares = np.clip(100 * structure.residue_confidence, 0, 100).astype(np.uint8)
            entry["conf"] = base64.b64encode(shares.tobytes()).decode()
    return entry


def _short(value: float | str | None) -> float | str | None:
    """Four significant digits are what anybody reads."""
    return float(f"{value:.4g}") if isinstance(value, float) and not value.is_integer() else value


def _region_letters(structure: Structure) -> str:
    known = np.isfinite(structure.torsions).all(axis=1)
    letters = np.full(len(structure), "-")
    letters[known] = ramachandran.regions(structure.torsions, structure.backbone.tokens).astype(str)
    return "".join(letters)


def _upright(structure: Structure) -> tuple[Floats, Floats, Floats]:
    """Alpha carbons about their centroid, the longest axis to the right and the shortest towards the reader."""
    ca = np.asarray(structure.backbone.coordinates[:, 1], dtype=np.float64)
    centre = ca.mean(axis=0)
    _, _, axes = np.linalg.svd(ca - centre, full_matrices=True)
    axes[2] *= np.sign(np.linalg.det(axes))  # a mirror image would be another protein
    return (ca - centre) @ axes.T, centre, axes


def _packed(points: Floats) -> str:
    steps = np.round(np.clip(points, -_FARTHEST, _FARTHEST) * _STEPS_PER_ANGSTROM).astype("<i2")
    return base64.b64encode(steps.tobytes()).decode()


def _scores(matrix: Floats) -> dict[str, Any]:
    """The TM-scores in steps of 1/255, row by row, and the order that puts clusters side by side."""
    some = symmetric(matrix)[:MOST_DRAWN, :MOST_DRAWN]
    steps = np.round(255 * np.clip(matrix[:MOST_DRAWN, :MOST_DRAWN], 0, 1)).astype(np.uint8)
    labels = clusters_of(matrix)[:MOST_DRAWN]
    likeness = some.mean(axis=1)
    order = np.lexsort((-likeness, labels))
    return {"order": order.tolist(), "scores": base64.b64encode(steps.tobytes()).decode()}


def _trajectories(structures: Sequence[Structure]) -> dict[str, list[str]]:
    """Frames of the first designs that have a file of their name in `trajectories/` beside their own."""
    found: dict[str, list[str]] = {}
    for structure in structures:
        file = Path(structure.file)
        path = file.parent / "trajectories" / f"{file.stem}.pdb"
        if len(found) >= MOST_TRAJECTORIES or not path.is_file():
            continue
        try:
            frames = read_alpha_carbons(path)
        except UserInputError:
            continue  # the design itself is there to be looked at
        if frames.shape[1] == len(structure):
            found[structure.name] = _frames(structure, frames)
    return found


def _frames(structure: Structure, frames: npt.NDArray[np.float32]) -> list[str]:
    """At most 40 frames, evenly chosen, each laid upon the design."""
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int))].astype(np.float64)
    _, centre, axes = _upright(structure)
    points = chosen.transpose(2, 1, 0)
    ca = np.asarray(structure.backbone.coordinates[:, 1], dtype=np.float64)
    design = np.repeat(ca.T[..., None], len(chosen), axis=2)
    moved = superpose(points, design, np.ones(points.shape[1:])).apply(points)
    return [_packed((frame - centre) @ axes.T) for frame in moved.transpose(2, 1, 0)]
