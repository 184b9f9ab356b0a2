"""Say what a training on datasets sees: secondary structure and hydrogen bonds per residue of its mixture of rows.

python scripts/benchmarks/training_mixture.py runs/base_data/chains.parquet runs/windows.parquet --max-length 192

An epoch takes one random member of every cluster, so that a row counts by its share of the cluster, in held-out splits
too. The sheets of a row are found anew: what a cut parted is bonded no more.
"""

import argparse
from pathlib import Path

import numpy as np

from gm_multimodal.errors import EmptyDataset
from gm_multimodal.protein.chains import Chains, Row
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.metrics.hydrogen_bonds import dssp, hydrogen_bonds
from gm_multimodal.protein.metrics.secondary_structure import HELIX, STRAND

LONG_RANGE = 5  # residues; of a bond between residues farther apart, or of two chains
HEAD = (
    "| dataset, split | rows | clusters | residues | rows of two chains | mean length | helix | strand | in a ladder "
    "| long-range bonds per residue |"
)


def counts(row: Row) -> list[float]:
    """Return residues, residues times length, helix, strand, ladder, and long-range hydrogen bonds of a row."""
    backbone = row.backbone
    letters = dssp(backbone.coordinates, backbone.tokens, backbone.is_bonded)
    bonds = np.argwhere(hydrogen_bonds(backbone.coordinates, backbone.tokens, backbone.is_bonded))
    distant = np.abs(backbone.position[bonds[:, 0]] - backbone.position[bonds[:, 1]]) > LONG_RANGE
    distant |= backbone.chain[bonds[:, 0]] != backbone.chain[bonds[:, 1]]
    of_kind = [sum(letter in kind for letter in letters) for kind in (HELIX, STRAND, "E")]
    return [len(row), len(row) ** 2, *of_kind, int(distant.sum())]


def line(name: str, chains: Chains) -> str:
    """Return the line of the table for the rows of one split."""
    _, cluster, members = np.unique(chains.clusters, return_inverse=True, return_counts=True)
    weights = 1 / members[cluster]
    total = weights @ np.array([counts(row) for row in chains.rows], dtype=float)
    two = weights @ np.array([row.backbone.chain.max() > 0 for row in chains.rows]) / weights.sum()
    figures = [f"{total[k] / total[0]:.3f}" for k in range(2, 6)]
    sizes = " | ".join(map(str, (len(chains), len(members), chains.lengths.sum())))
    return f"| {name} | {sizes} | {two:.3f} | {total[1] / total[0]:.0f} | {' | '.join(figures)} |"


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", help="Parquet files")
    parser.add_argument("--min-length", type=int, default=40, help="residues, as in the training")
    parser.add_argument("--max-length", type=int, default=256, help="residues, as in the training")
    parser.add_argument("--max-gyration-ratio", type=float, default=1.2, help="as in the training")
    parser.add_argument("--max-coil", type=float, default=0.6, help="as in the training")
    options = vars(parser.parse_args())
    datasets = options.pop("datasets")
    print(f"{HEAD}\n{'|---' * 10}|")
    for path in datasets:
        for split in ("train", "validation", "test"):
            try:
                print(line(f"{path.name}, {split}", read_chains(path, split=split, **options)), flush=True)
            except EmptyDataset:
                continue


if __name__ == "__main__":
    main()
