"""Print what a step costs by the process of the rotations, network included: CPU time beside that of a flow's step.

python scripts/benchmarks/process_cost.py

The processes take turns, so that what else the machine does falls on all of them alike.
"""

import argparse
import statistics
import time
from typing import Any

import torch

from gm_multimodal.app.api import configuration
from gm_multimodal.noise import DesignNoise
from gm_multimodal.protein.blueprint import blank, to_known
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.sampler import Sampler

PROCESSES: dict[str, dict[str, Any]] = {
    "flow": {"process__rotations": "flow"},
    **{f"superposition {a}": {"process__rotations": "superposition", "jump_weight": a} for a in (0.25, 0.5, 0.75)},
    "jump": {"process__rotations": "jump"},
}


def with_process(options: dict[str, Any]) -> Checkpoint:
    """Return `base` with the processes of `design` under these options."""
    return load_checkpoint(resolve("base"), configuration({"out": "unused", **options}).process)


def seconds(checkpoint: Checkpoint, length: int, rows: int, steps: int) -> float:
    """Return the CPU seconds of a step."""
    device = torch.device("cpu")
    known, _ = to_known([blank(length)] * rows, checkpoint.product, device)
    noise = DesignNoise(0, tuple(range(rows)), device)
    before = time.process_time()
    Sampler(UniformGrid(steps))(checkpoint.network, checkpoint.product, known, noise)
    return (time.process_time() - before) / steps


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=100, help="residues")
    parser.add_argument("--rows", type=int, default=8, help="designs in a batch")
    parser.add_argument("--steps", type=int, default=5, help="of a simulation")
    parser.add_argument("--turns", type=int, default=9, help="of every process; the median counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoints = {name: with_process(settings) for name, settings in PROCESSES.items()}
    found: dict[str, list[float]] = {name: [] for name in checkpoints}
    for _ in range(options.turns):
        for name, checkpoint in checkpoints.items():
            found[name].append(seconds(checkpoint, options.length, options.rows, options.steps))
    print("| process | ms a step | beside a flow's, median of the turns |\n|---|---|---|")
    for name, times in found.items():
        ratio = statistics.median(own / flow for own, flow in zip(times, found["flow"], strict=True))
        print(f"| {name} | {1e3 * statistics.median(times):.1f} | {ratio:.3f} |")
