"""Print what the network costs on this machine, in CPU seconds (user and system, all threads), as Markdown tables.

python scripts/benchmarks/network_speed.py [--lengths 60 100] [--batches 1 8] [--peer FILE]

FILE is Python code with a function make_call(length, batch) that returns one network call of another model as a
function without arguments. Its calls take turns with ours in one process, under the memory settings of our commands.
Figures are medians; weights are random, which changes no cost. Operations are counted, and their rate is compared with
that of a matrix product in single precision, which takes turns with the calls as well.
"""

import argparse
import importlib
import itertools
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula, sdpa_flop_count

from gm_multimodal.app.cli.startup import prepare_process
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import matching_loss
from gm_multimodal.protein.batch import ProteinBatch, single_chain
from gm_multimodal.protein.blueprint import blank
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY
from gm_multimodal.protein.design import sample_block
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.training.build import build, build_network, build_product

Call = Callable[[], object]
WIDE = ["network.width=608", "network.transition=4"]  # as many parameters as MultiFlow: 21.8 M
HEAD = "| length | batch | CPU ms per call | GFLOP | share of matmul rate | GFLOP/s | peak MB | peer CPU ms | ratio |"
LENGTH, CHAINS = 100, 7  # of designs and training steps
# The counter itself knows the attention kernels of CUDA alone.
count_attention = register_flop_formula(torch.ops.aten._scaled_dot_product_flash_attention_for_cpu)
count_attention(lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value))


def cpu_seconds(calls: Sequence[Call], repeats: int) -> list[float]:
    """Return the median CPU seconds of each call; turns take 0.2 s at least, so that caches are as in a run."""
    taken: list[list[float]] = [[] for _ in calls]
    for seconds, call in list(zip(taken, calls, strict=True)) * repeats:
        call()
        start, count = time.process_time(), 0
        while count == 0 or time.process_time() - start < 0.2:
            call()
            count += 1
        seconds.append((time.process_time() - start) / count)
    return [median(seconds) for seconds in taken]


def random_batch(length: int, batch: int, types: int) -> ProteinBatch:
    """Return chains with random directions, frames and types, CA 0.38 nm apart."""
    noise = SharedNoise.keyed(length, batch)
    state = {
        "translations": 0.38 * functional.normalize(noise.normal((batch, length, 3)), dim=-1).cumsum(1),
        "rotations": Rotations().prior((batch, length), noise),
        "sequence": (noise.uniform((batch, length)) * types).long(),
    }
    unknown = torch.full((batch, length), UNKNOWN_SECONDARY)
    return ProteinBatch(state, single_chain(torch.ones(batch, length, dtype=torch.bool)), unknown)


def network_call(network: Any, length: int, batch: int) -> Call:
    """Return a call without gradient as sampling makes it, with the means of a last prediction fed back."""
    data = random_batch(length, batch, network.types)
    previous = {**data.state, "sequence": functional.one_hot(data.state["sequence"], network.types).float()}
    times = {name: torch.full((batch, length), 0.5) for name in data.state}
    return torch.inference_mode()(lambda: network(data.state, times, data.sites, previous))


def two_training_steps(network: Any, config: Any) -> Call:
    """Return two steps of loss, gradient and AdamW, one of them with a first prediction fed back."""
    data, noise = random_batch(LENGTH, CHAINS, network.types), SharedNoise.keyed(0)
    product, curriculum, auxiliary = (
        build_product(config.product, CATALOGUE),
        build(config.curriculum, CATALOGUE),
        build(config.auxiliary, CATALOGUE),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def steps() -> None:
        for feeds_back in (False, True):
            known, times = curriculum.draw(data, product, noise)
            matching = matching_loss(network, product, known, times, noise, self_condition=feeds_back)
            optimizer.zero_grad()
            parts = auxiliary(matching, known)
            (matching.total + sum(auxiliary.weights[name] * part for name, part in parts.items())).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()

    return steps


def raised_peak(network: Any, length: int, batch: int) -> float:
    """Return by how much a call raises the peak of the resident memory of this process (MB, on Linux)."""
    from resource import RUSAGE_SELF, getrusage  # not on Windows

    network_call(network, 20, 1)()  # leaves behind what any first call needs
    before = getrusage(RUSAGE_SELF).ru_maxrss
    network_call(network, length, batch)()
    return (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024


def report(network: Any, config: Any, design: Any, options: argparse.Namespace) -> None:
    """Print a row for every length and batch, and what a design and training cost."""
    square = torch.randn(1024, 1024)
    for cell in itertools.product(options.lengths, options.batches):
        call, peer = network_call(network, *cell), [options.peer(*cell)] if options.peer else []
        seconds, yardstick, *theirs = cpu_seconds([call, lambda: square @ square, *peer], options.repeats)
        with FlopCounterMode(display=False) as counter:
            call()
        flop, rate, memory = counter.get_total_flops() / 1e9, 2 * 1.024**3 / yardstick, "-"
        if sys.platform == "linux":
            with multiprocessing.get_context("forkserver").Pool(1) as pool:  # a process that has not computed yet
                memory = f"{pool.apply(raised_peak, (network, *cell)):.0f}"
        ours = f"{1e3 * seconds:.1f} | {flop:.2f} | {flop / seconds / rate:.2f} | {rate:.0f} | {memory}"
        versus = f"{1e3 * theirs[0]:.0f} | {theirs[0] / seconds:.1f}" if theirs else "- | -"
        print(f"| {cell[0]} | {cell[1]} | {ours} | {versus} |", flush=True)
    rows, grid, product = (
        range(design.batch_size),
        UniformGrid(design.steps, design.last_step),
        build_product(config.product, CATALOGUE),
    )
    blanks = [blank(LENGTH)] * len(rows)
    block = partial(sample_block, network, product, blueprints=blanks, indices=rows, seed=0, grid=grid)
    (seconds,) = cpu_seconds([partial(block, device=torch.device("cpu"))], 1)
    print(f"\nDesign: {seconds / len(rows):.2f} CPU s ({LENGTH} residues, {design.steps} steps, blocks of {len(rows)})")
    (seconds,) = cpu_seconds([two_training_steps(network, config)], options.repeats)
    print(f"Training: {2 * LENGTH * CHAINS / seconds:,.0f} residues per CPU second ({CHAINS} chains of {LENGTH})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[60, 100, 128, 200, 300], help="residues")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="proteins per call")
    parser.add_argument("--repeats", type=int, default=5, help="turns of which the median is taken")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    parser.add_argument("--peer", type=Path, help="Python file that offers make_call(length, batch)")
    options = parser.parse_args()
    if options.peer:
        sys.path.insert(0, str(options.peer.resolve().parent))
        options.peer = importlib.import_module(options.peer.stem).make_call
    prepare_process()
    torch.set_num_threads(options.threads)
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "configs"), version_base=None):
        for overrides in ([], WIDE):
            config = compose("train", overrides=["data=", *overrides])
            trunk = build_network(OmegaConf.to_container(config.network), CATALOGUE).eval()
            size = f"{sum(weight.numel() for weight in trunk.parameters()):,} parameters"
            print(f"\n{' '.join(['network=base', *overrides])}: {size}\n\n{HEAD}\n{'|---' * 9}|")
            report(trunk, config, compose("design"), options)
