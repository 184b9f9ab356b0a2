"""Write the table of Ramachandran regions that ships with the package, from the train split of a dataset of chains.

python scripts/training/ramachandran_table.py chains.parquet

chains.parquet is a dataset as `gm-multimodal train` reads it (data/README.md says where ours comes from).
"""

import argparse
import json
from pathlib import Path

import numpy as np

from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.metrics import ramachandran


def main() -> None:
    """Count residues in bins, choose the regions, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("--out", type=Path, default=Path(ramachandran.__file__).with_suffix(".json"))
    options = parser.parse_args()
    chains = read_chains(options.chains, split="train", min_length=1, max_length=10_000)
    counts = np.zeros((len(ramachandran.CLASSES), ramachandran.BINS, ramachandran.BINS), dtype=np.int64)
    for row in chains.rows:
        angles = ramachandran.phi_psi(row.backbone.coordinates, row.backbone.is_bonded)
        known = np.isfinite(angles).all(axis=1)
        phi, psi = ramachandran.bins_of(angles[known]).T
        np.add.at(counts, (ramachandran.residue_classes(row.backbone.tokens)[known], phi, psi), 1)
    regions = {
        name: ["".join(map(str, row)) for row in ramachandran.smallest_regions(of_class)]
        for name, of_class in zip(ramachandran.CLASSES, counts, strict=True)
    }
    table = {
        "made_from": f"{len(chains)} chains of the train split of {options.chains.name}",
        "residues": {name: int(total) for name, total in zip(regions, counts.sum(axis=(1, 2)), strict=True)},
        "meaning": "regions[class][phi bin][psi bin], bins of 10 degrees from -180; 2 favoured, 1 allowed, 0 outlier",
        "regions": regions,
    }
    options.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{options.out}: {table['made_from']}")


if __name__ == "__main__":
    main()
