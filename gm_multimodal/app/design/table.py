"""One row per design, and what a run says when it ends."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gm_multimodal.app.design.folder import Row, design_id
from gm_multimodal.protein.blueprint import Blueprint
from gm_multimodal.protein.design import Design
from gm_multimodal.protein.metrics.geometry import ca_ca_validity, ca_clashes, radius_of_gyration
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure, shares
from gm_multimodal.protein.residues import MASK, decode

_SHOWN = {
    "helix": "helix",
    "strand": "strand",
    "ca_ca_valid": "CA-CA valid",
    "clashes": "clashes",
    "radius_of_gyration": "Rg (A)",
    "confidence": "confidence",
    "recovery": "recovery",
}


def table_row(design: Design, *, seed: int, file: str, seconds: float) -> Row:
    """Return the row of designs.csv: shares in [0, 1], radius of gyration in Angstrom, wall seconds of this design.

    Mean probability and score are means over the residues whose type the model chose: of the probability that it gave
    to the type when it chose it, and of minus its log (nat). Recovery is the share of the residues whose type was not
    given that have the type of the input. Cells stay empty where there is no such residue, or no input.
    """
    blueprint, free = design.blueprint, ~design.blueprint.sequence_given
    backbone = design.backbone
    chains = [backbone.coordinates[part] for part in backbone.chain_slices()]
    sizes = [len(chain) for chain in chains]
    found = shares(secondary_structure(backbone))
    chosen = design.confidence[design.chosen].astype(np.float64)
    score = -np.log(np.maximum(chosen, np.finfo(np.float32).tiny))
    recovered = (backbone.tokens == blueprint.backbone.tokens)[
        free & blueprint.native & (blueprint.backbone.tokens != MASK)
    ]
    bonds = [size - 1 for size in sizes if size > 1] or [1]
    validity = [ca_ca_validity(chain) for chain in chains if len(chain) > 1] or [1.0]
    return {
        "id": design_id(design.index),
        "seed": str(seed),
        "length": str(len(backbone)),
        "sequence": decode(backbone.tokens),
        "file": file,
        "input": blueprint.name,
        "confidence": f"{design.fit:.4f}",
        "mean_probability": _mean_of(chosen),
        "score": _mean_of(score),
        "recovery": _mean_of(recovered),
        "helix": f"{found.helix:.4f}",
        "strand": f"{found.strand:.4f}",
        "coil": f"{found.coil:.4f}",
        "radius_of_gyration": f"{radius_of_gyration(backbone.coordinates):.3f}",
        "ca_ca_valid": f"{np.average(validity, weights=bonds):.4f}",
        "clashes": str(ca_clashes(backbone.coordinates)),
        "seconds": f"{seconds:.2f}",
    }


def mapping_rows(index: int, blueprint: Blueprint, names: Mapping[str, str]) -> list[Row]:
    """Return the rows of mapping.csv: where each residue that is copied from the input stands in the design.

    Args:
        index: of the design.
        blueprint: of the design.
        names: what its file calls each chain; all residues of an input are listed where that is another name.
    """
    rows: list[Row] = []
    for label, source, sequence in zip(
        blueprint.backbone.names, blueprint.source, blueprint.sequence_given, strict=True
    ):
        if source is None and blueprint.native and names[label.chain] != label.chain:
            source = label
        if source is not None:
            rows.append(
                {
                    "id": design_id(index),
                    "chain": names[label.chain],
                    "residue": str(label.number),
                    "insertion_code": label.insertion_code,
                    "input": blueprint.name,
                    "input_chain": source.chain,
                    "input_residue": str(source.number),
                    "input_insertion_code": source.insertion_code,
                    "given": "structure and sequence" if sequence else "structure",
                }
            )
    return rows


def best_of(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the best of each input, the best first: without clash of alpha carbons, and then by confidence."""
    ranked = sorted(rows, key=lambda row: (row["input"], row["clashes"] != "0", -float(row["confidence"])))
    of_input: dict[str, list[Row]] = {}
    for row in ranked:
        of_input.setdefault(row["input"], []).append(row)
    return [row for found in of_input.values() for row in found[:count]]


def summary(folder: Path, rows: Sequence[Row], computed: int, on_disk: int, best: Path | None) -> list[str]:
    """Return the closing lines of a run: where the designs are, their means, and what to do next."""
    further = f"; {on_disk - len(rows)} more were there and stay" if on_disk > len(rows) else ""
    plural = "s" if len(rows) > 1 else ""
    means = [f"{name} {_mean(rows, column):.2f}" for column, name in _SHOWN.items() if any(row[column] for row in rows)]
    return [
        f"{len(rows)} design{plural} in {folder} ({computed} computed now{further})",
        f"mean: {', '.join(means)}",
        *([f"the best are in {best}, in the order of {best / 'designs.csv'}"] if best is not None else []),
        f"next: open {folder / rows[0]['file']} in a structure viewer, compare them in {folder / 'designs.csv'}, "
        f"or ask for more with num_designs={2 * len(rows)}",
    ]


def _mean(rows: Sequence[Row], column: str) -> float:
    return statistics.fmean(float(row[column]) for row in rows if row[column])


def _mean_of(values: npt.NDArray) -> str:
    return f"{values.mean():.4f}" if len(values) else ""
