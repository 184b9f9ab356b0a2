"""One row per design, and what a run says when it ends."""

from collections.abc import Sequence
from pathlib import Path

from gm_multimodal.app.run_folder import Row, design_id
from gm_multimodal.protein.design import Design
from gm_multimodal.protein.metrics.geometry import ca_ca_validity, ca_clashes, radius_of_gyration
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure_shares
from gm_multimodal.protein.residues import decode

_SHOWN = {
    "helix": "helix",
    "strand": "strand",
    "ca_ca_valid": "CA-CA valid",
    "clashes": "clashes",
    "radius_of_gyration": "Rg (A)",
    "mean_confidence": "confidence",
}


def table_row(design: Design, *, seed: int, file: str, seconds: float) -> Row:
    """Return the row of designs.csv: shares in [0, 1], radius of gyration in Angstrom, wall seconds of this design."""
    shares = secondary_structure_shares(design.coordinates)
    return {
        "id": design_id(design.index),
        "seed": str(seed),
        "length": str(len(design.tokens)),
        "sequence": decode(design.tokens),
        "file": file,
        "mean_confidence": f"{design.confidence.mean():.4f}",
        "helix": f"{shares.helix:.4f}",
        "strand": f"{shares.strand:.4f}",
        "coil": f"{shares.coil:.4f}",
        "radius_of_gyration": f"{radius_of_gyration(design.coordinates):.3f}",
        "ca_ca_valid": f"{ca_ca_validity(design.coordinates):.4f}",
        "clashes": str(ca_clashes(design.coordinates)),
        "seconds": f"{seconds:.2f}",
    }


def summary(folder: Path, rows: Sequence[Row], computed: int, on_disk: int) -> str:
    """Return the closing lines of a run: where the designs are, their means, and what to do next."""
    further = f"; {on_disk - len(rows)} more were there and stay" if on_disk > len(rows) else ""
    plural = "s" if len(rows) > 1 else ""
    means = [f"{name} {_mean(rows, column):.2f}" for column, name in _SHOWN.items()]
    return "\n".join(
        [
            f"{len(rows)} design{plural} in {folder} ({computed} computed now{further})",
            f"mean: {', '.join(means)}",
            f"next: open {folder / rows[0]['file']} in a structure viewer, compare them in {folder / 'designs.csv'}, "
            f"or ask for more with num_designs={2 * len(rows)}",
        ]
    )


def _mean(rows: Sequence[Row], column: str) -> float:
    return sum(float(row[column]) for row in rows) / len(rows)
