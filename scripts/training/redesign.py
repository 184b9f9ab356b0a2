"""Add the column `redesigned` to a dataset: for every compact chain, a sequence that ProteinMPNN draws for it.

python scripts/training/redesign.py runs/base_data/chains.parquet runs/redesigned.parquet --minutes 300
gm-multimodal train data=runs/redesigned.parquet sequences=redesigned

Training on such sequences is what took MultiFlow from 0.41 to 0.88 designable (arXiv 2402.04997). One chain after
another in random order, so that a run that is stopped has redesigned a fair share; the same command goes on from there
(OUT_temperature0.1_seed0.csv holds what is done). Chains that have none are learned with their own sequence.
"""

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from dataset_file import with_columns, write_dataset

from gm_multimodal.protein.chains import Chains, Row
from gm_multimodal.protein.dataset import REDESIGNED, read_chains
from gm_multimodal.protein.judges.protein_mpnn import ProteinMPNN
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.residues import decode


def wanted(chains: Chains, options: argparse.Namespace) -> list[Row]:
    """Return the chains to redesign, in random order."""
    compact = [row for row in chains.rows if gyration_ratio(row.backbone.coordinates) <= options.gyration_ratio]
    return [compact[k] for k in np.random.default_rng(0).permutation(len(compact))]


def redesign(rows: Sequence[Row], done: Path, options: argparse.Namespace) -> dict[str, str]:
    """Draw one sequence for each row that has none yet, for as long as there is time, and return those of all by id."""
    known = dict(csv.reader(done.open())) if done.exists() else {}
    sequences = {row.id: known[row.id] for row in rows if row.id in known}
    judge, start = ProteinMPNN(), time.perf_counter()
    with done.open("a", newline="") as file:
        for row in rows:
            if time.perf_counter() - start > 60 * options.minutes:
                break
            if row.id not in sequences:
                settings = {"count": 1, "temperature": options.temperature, "seed": options.seed}
                drawn = judge.design(row.backbone.coordinates, chain=row.backbone.chain, **settings)
                sequences[row.id] = decode(drawn.tokens[0])
                csv.writer(file).writerow([row.id, sequences[row.id]])
                file.flush()
    return sequences


def main() -> None:
    """Read, redesign and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("out", type=Path, help="Parquet file to write")
    parser.add_argument("--longest", type=int, default=128, help="longer chains keep their own sequence")
    parser.add_argument("--gyration-ratio", type=float, default=1.2, help="so do less compact ones")
    parser.add_argument("--temperature", type=float, default=0.1, help="of the draws")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = wanted(read_chains(options.chains, split=None, min_length=1, max_length=options.longest), options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = options.out.with_name(f"{options.out.stem}_temperature{options.temperature:g}_seed{options.seed}.csv")
    sequences = redesign(rows, done, options)
    table = pq.read_table(options.chains)
    column = pa.array([sequences.get(name) for name in table["id"].to_pylist()], pa.string())
    write_dataset(with_columns(table, {REDESIGNED: column}), options.out)
    print(f"{len(sequences)} of {len(rows)} compact chains have a redesigned sequence: {options.out}")


if __name__ == "__main__":
    main()
