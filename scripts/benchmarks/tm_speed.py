"""Measure what TM-scores of all against all cost, as a Markdown table: CPU seconds of one core and peak memory.

python scripts/benchmarks/tm_speed.py chains.parquet [--numbers 100 300 1000] [--lengths 95 105] [--pairs 20000]

The chains are drawn from those of the lengths in a dataset; each number is measured in a process of its own. Of more
than --pairs pairs as many are measured, evenly chosen, and their time is multiplied.
"""

import argparse
import multiprocessing
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.metrics.tm_score import tm_scores


def measure(path: Path, number: int, lengths: tuple[int, int], most: int) -> str:
    """Return the row of the table for a number of chains."""
    low, high = lengths
    rows = pq.read_table(path, columns=["coordinates"], filters=[("length", ">=", low), ("length", "<=", high)])
    chosen = rows.take(np.random.default_rng(0).permutation(len(rows))[:number])["coordinates"].to_pylist()
    chains = [backbone_of(flat) for flat in chosen]
    every = list(combinations(chains, 2))
    measured = [every[k] for k in np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).astype(int))]
    start = time.process_time()
    scores = tm_scores(measured)
    each = (time.process_time() - start) / len(measured)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {len(chains)} | {len(every)} | {len(measured)} | {1e3 * each:.2f} | {each * len(every):.0f} "
        f"| {memory:.0f} | {scores.mean():.3f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file to read")
    parser.add_argument("--numbers", type=int, nargs="+", default=[100, 300, 1000], help="of chains")
    parser.add_argument("--lengths", type=int, nargs=2, default=(95, 105), help="residues of the chains, from and to")
    parser.add_argument("--pairs", type=int, default=20_000, help="to measure at most")
    options = parser.parse_args()
    print("| chains | pairs | measured | CPU ms per pair | CPU s for all | peak MB | mean TM |")
    print("|---|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for number in options.numbers:
        with context.Pool(1) as pool:
            print(pool.apply(measure, (options.chains, number, tuple(options.lengths), options.pairs)), flush=True)


if __name__ == "__main__":
    main()
