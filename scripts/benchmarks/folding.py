"""Fold sequences of held-out chains, and print how near designs of the same length come that know no sequence.

python scripts/benchmarks/folding.py chains.parquet --chains 48 --designs 8
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from gm_multimodal.app.api import design
from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.metrics.tm_score import paired_tm_score, tm_score
from gm_multimodal.protein.structure import read_backbone


def held_out(path: Path, number: int) -> pd.DataFrame:
    """Return globular chains of held-out clusters of 40 to 128 residues."""
    wanted = [("split", "in", ["validation", "test"]), ("globular", "==", True), ("length", "<=", 128)]
    chains = pd.read_parquet(path, columns=["id", "length", "sequence", "coordinates"], filters=wanted)
    return chains[chains.length >= 40].sample(number, random_state=0)


def measure(row: Any, number: int, out: Path, settings: dict[str, str]) -> dict[str, float]:
    """Fold one chain and design others of its length; return TM-scores to it of the first and of the best."""
    real = backbone_of(row.coordinates)
    fasta = out / "sequence.fasta"
    fasta.write_text(f">{row.id}\n{row.sequence}\n")
    figures: dict[str, float] = {}
    for name, task in {"folds": {"task": "fold", "fasta": fasta}, "designs": {"length": row.length}}.items():
        folder = out / f"{name}_{row.id}"
        made = design(out=folder, num_designs=number, threads=1, **task, **settings)
        found = [read_backbone(folder / file)[0].coordinates for file in made.table.file]
        for measured, score in {"best alignment": tm_score, "residue by residue": paired_tm_score}.items():
            values = [score(real, backbone) for backbone in found]
            figures |= {f"{name}, first, {measured}": values[0], f"{name}, best of {number}, {measured}": max(values)}
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="chains.parquet with the columns split and globular")
    parser.add_argument("--chains", type=int, default=48, dest="number", help="number of chains")
    parser.add_argument("--designs", type=int, default=8, help="of each chain")
    parser.add_argument("--set", nargs="*", default=[], help="options of design, such as process__rotations__speed=1")
    options = parser.parse_args()
    settings = dict(item.split("=", 1) for item in options.set)
    with tempfile.TemporaryDirectory() as folder:
        rows = held_out(options.chains, options.number).itertuples()
        table = pd.DataFrame([measure(row, options.designs, Path(folder), settings) for row in rows])
    print("| TM-score to the real structure | median | highest | above 0.5 |\n|---|---|---|---|")
    for name, values in table.items():
        print(f"| {name} | {values.median():.3f} | {values.max():.3f} | {(values > 0.5).mean():.2f} |")
