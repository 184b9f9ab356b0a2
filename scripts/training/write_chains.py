"""Write the chains of a dataset as structure files, to try `gm-multimodal prepare` on chains that are known.

python scripts/training/write_chains.py chains.parquet runs/chains --number 2000 --formats pdb cif

File i of every format holds the same chain, N, CA, C, O as in the dataset and CB from ideal geometry, numbered from 1.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import encode


def rows(path: Path, shortest: int) -> Iterator[dict[str, Any]]:
    """Yield id, sequence and coordinates of the chains that are long enough."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(256, columns=["id", "sequence", "coordinates", "length"]):
            yield from (row for row in batch.to_pylist() if row["length"] >= shortest)


def main() -> None:
    """Read and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--number", type=int, default=2000, help="of chains")
    parser.add_argument("--shortest", type=int, default=40, help="residues of the shortest chain")
    parser.add_argument("--formats", nargs="+", choices=("pdb", "cif"), default=["pdb"], help="of the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    written = 0
    for row in itertools.islice(rows(options.chains, options.shortest), options.number):
        xyz = backbone_of(row["coordinates"])
        for suffix in options.formats:
            path = options.out / f"{row['id']}.{suffix}"
            write_structure(path, unbroken(xyz, encode(row["sequence"])), None, title=row["id"], remarks=[])
            written += 1
    print(f"{written} files in {options.out}")


if __name__ == "__main__":
    main()
