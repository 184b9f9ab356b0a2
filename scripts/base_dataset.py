"""Write the dataset that `base` is trained on: whole chains, and compact windows of the chains that are too long.

python scripts/base_dataset.py chains.parquet runs/base_dataset.parquet

chains.parquet is a dataset as `gm-multimodal train` reads it, with the columns first_residue and dssp (data/README.md
says where ours comes from). The filters on compactness, coil and length are those of `train`; here only long chains
are cut. A window keeps the cluster of its chain, so that an epoch shows one member of a cluster, whole or cut. Chains
of the validation and test splits are never cut: their figures stay comparable.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from gm_multimodal.protein.metrics.geometry import gyration_ratio

ATTEMPTS = 8  # random windows tried for each that is kept


def windows(row: pd.Series, options: argparse.Namespace, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return compact windows of one long chain, of random lengths and places, as rows."""
    xyz, kept = row.coordinates.reshape(-1, 4, 3), []
    for _ in range(ATTEMPTS * options.windows):
        length = int(rng.integers(options.shortest, options.longest + 1))
        start = int(rng.integers(0, row.length - length + 1))
        part = slice(start, start + length)
        if len(kept) < options.windows and gyration_ratio(xyz[part]) <= options.gyration_ratio:
            first = row.first_residue + start
            kept.append(
                {
                    **row,
                    "id": f"{row.id}_{start}_{length}",
                    "sequence": row.sequence[part],
                    "dssp": row.dssp[part],
                    "length": length,
                    "first_residue": first,
                    "coordinates": xyz[part].reshape(-1),
                }
            )
    return kept


def main() -> None:
    """Read, cut and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("out", type=Path, help="Parquet file to write")
    parser.add_argument("--shortest", type=int, default=64, help="residues of the shortest window")
    parser.add_argument("--longest", type=int, default=128, help="longer chains are cut")
    parser.add_argument("--windows", type=int, default=3, help="windows of a chain at most")
    parser.add_argument("--gyration-ratio", type=float, default=1.15, help="of a window, at most")
    options = parser.parse_args()
    columns = ["id", "source", "sequence", "length", "first_residue", "coordinates", "cluster30", "split", "dssp"]
    chains = pd.read_parquet(options.chains, columns=columns)
    is_long = chains.length > options.longest
    rng = np.random.default_rng(0)
    to_cut = chains[is_long & (chains.split == "train")]
    cut = pd.DataFrame([new for _, row in to_cut.iterrows() for new in windows(row, options, rng)], columns=columns)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pd.concat([chains[~is_long], cut]).to_parquet(options.out, index=False)
    print(f"{len(chains) - is_long.sum()} whole chains and {len(cut)} windows of {len(to_cut)} chains: {options.out}")


if __name__ == "__main__":
    main()
