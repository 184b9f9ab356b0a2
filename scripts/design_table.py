"""Print how protein-like the designs of run folders are, by length, and the same for real chains.

python scripts/design_table.py designs/* --reference chains.parquet
"""

import argparse
from pathlib import Path

import pandas as pd

from gm_multimodal.protein.metrics import geometry
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure_shares
from gm_multimodal.protein.structure import read_backbone

HEAD = (
    "| {} | chains | CA-CA 3.8 +- 0.1 | clash-free | helix + strand | helix | strand | Rg / 2.2 L^0.38 | within 30 % "
)


def measure(backbone: geometry.Floats, row: int) -> dict[str, float]:
    """Return the figures of one backbone [L, 4, 3], which counts for the row of the table called ``row``."""
    shares, bonds = secondary_structure_shares(backbone), geometry.peptide_bond_lengths(backbone)
    clash_free, validity = geometry.ca_clashes(backbone) == 0, geometry.ca_ca_validity(backbone)
    figures = {"row": row, "valid": validity, "clash_free": clash_free, "ratio": geometry.gyration_ratio(backbone)}
    return figures | {"helix": shares.helix, "strand": shares.strand, "bond": bonds.mean(), "bond2": (bonds**2).mean()}


def measure_reference(path: Path, lengths: list[int]) -> pd.DataFrame:
    """Measure, for each length, at most 16 globular held-out chains within 5 residues of it."""
    held_out = [("split", "in", ["validation", "test"]), ("globular", "==", True)]
    chains = pd.read_parquet(path, columns=["length", "coordinates"], filters=held_out)
    near = {length: chains[(chains.length - length).abs() <= 5] for length in lengths}
    samples = {length: rows.sample(min(16, len(rows)), random_state=0) for length, rows in near.items()}
    return pd.DataFrame([measure(xyz.reshape(-1, 4, 3), n) for n, rows in samples.items() for xyz in rows.coordinates])


def print_table(title: str, chains: pd.DataFrame) -> None:
    """Print a Markdown table with a row per length and one over all chains."""
    print("\n" + HEAD.format(title) + "| C-N mean (sd) |\n" + "|---" * 10 + "|")
    for name, rows in [*chains.groupby("row"), ("all", chains)]:
        m, low, high = rows.mean(), rows.ratio.min(), rows.ratio.max()
        cells = [f"{name}", f"{len(rows)}", f"{m.valid:.3f}", f"{m.clash_free:.2f}", f"{m.helix + m.strand:.2f}"]
        cells += [f"{m.helix:.2f}", f"{m.strand:.2f}", f"{low:.2f} to {high:.2f}"]
        deviation = max(0.0, m.bond2 - m.bond**2) ** 0.5
        cells += [f"{(abs(rows.ratio - 1) <= 0.3).mean():.2f}", f"{m.bond:.3f} ({deviation:.3f})"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="run folders with PDB files")
    parser.add_argument("--reference", type=Path, help="chains.parquet with the columns split and globular")
    options = parser.parse_args()
    backbones = [read_backbone(file)[0].coordinates for folder in options.folders for file in folder.glob("*.pdb")]
    if not backbones:
        parser.error("no PDB file in these folders")
    designs = pd.DataFrame([measure(backbone, len(backbone)) for backbone in backbones])
    print_table("designs", designs)
    if options.reference:
        print_table("real", measure_reference(options.reference, sorted(set(designs.row))))
