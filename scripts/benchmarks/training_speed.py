"""Print from how many residues networks learn per CPU second, and what a call of each takes, as Markdown tables.

python scripts/benchmarks/training_speed.py DATA [--networks base base_256x8 base_320x8] [--batches 960 1920]

DATA are chains as for `gm-multimodal train`. Steps are those of its default configuration in mixed precision, half of
them with a first prediction fed back. All networks take turns on the same batches in one process, among them the first
release's, of the size of `base`; figures are medians of CPU seconds (user and system, all threads).
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from network_speed import cpu_seconds, network_call
from omegaconf import OmegaConf
from torch import nn

from gm_multimodal.app.cli.startup import prepare_process
from gm_multimodal.networks.residue_trunk import ResidueTrunk
from gm_multimodal.noise import SharedNoise
from gm_multimodal.protein.batch import ProteinBatch, collate
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.training.buckets import LengthBuckets
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.build import build, build_network, build_product
from gm_multimodal.training.precision import BFloat16

FIRST = "first release"
LENGTH, CALLED = 100, (1, 4)  # residues of a call, and proteins

Step = Callable[[ProteinBatch, bool], object]


def networks(names: list[str]) -> dict[str, nn.Module]:
    """Return the first release's network and those of the configurations, with random weights."""
    torch.manual_seed(0)
    nodes = {name: compose("train", overrides=["data=", f"network={name}"]).network for name in names}
    made = {name: build_network(OmegaConf.to_container(node), CATALOGUE) for name, node in nodes.items()}
    return {FIRST: ResidueTrunk(components=4), **made}


def step_of(network: nn.Module, config: Any) -> Step:
    """Return a training step: loss, gradient, clipping and optimiser, as `gm-multimodal train` makes it."""
    module = DesignModule(
        network.train(),
        build_product(config.product, CATALOGUE),
        build(config.optimisation, CATALOGUE),
        seed=0,
        curriculum=build(config.curriculum, CATALOGUE),
        auxiliary=build(config.auxiliary, CATALOGUE),
        self_conditioning=config.self_conditioning,
    )
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def step(batch: ProteinBatch, feeds_back: bool) -> None:
        noise = SharedNoise.keyed(0)
        with BFloat16().forward_context():
            known, times = module.curriculum.draw(batch, module.product, noise)
            matching = module.match(known, times, noise, feeds_back)
            parts, weights = module.auxiliary(matching, known), module.auxiliary.weights
            loss = matching.total + sum(weights[name] * part for name, part in parts.items())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 2.0)
        optimizer.step()

    return step


def residues_per_second(steps: Mapping[str, Step], batches: list[ProteinBatch], repeats: int) -> dict[str, float]:
    """Return residues per CPU second of each network: every step is timed `repeats` times, after a first."""
    taken: dict[str, list[list[float]]] = {name: [] for name in steps}
    for batch in batches:
        for feeds_back in (False, True):
            rounds: dict[str, list[float]] = {name: [] for name in steps}
            for _ in range(repeats + 1):
                for name, step in steps.items():
                    start = time.process_time()
                    step(batch, feeds_back)
                    rounds[name].append(time.process_time() - start)
            for name, seconds in rounds.items():
                taken[name].append(seconds[1:])
    learned = mean(int(batch.sites.present.sum()) for batch in batches)
    return {name: learned / mean(median(seconds) for seconds in each) for name, each in taken.items()}


def some_batches(chains: Chains, residues: int, count: int) -> list[ProteinBatch]:
    """Return batches of lengths as a training meets them."""
    buckets = LengthBuckets(chains.lengths, chains.clusters, residues, seed=0)
    return [collate(chains, indices) for indices in buckets.epoch(0)[:count]]


def report(options: argparse.Namespace) -> None:
    """Print both tables."""
    config = compose("train", overrides=["data="])
    chains = read_chains(
        options.data,
        split="train",
        min_length=config.min_length,
        max_length=options.max_length,
        max_gyration_ratio=config.max_gyration_ratio,
    )
    made = networks(options.networks)
    steps = {name: step_of(network, config) for name, network in made.items()}
    print("| network | parameters | residues of a batch | residues per CPU second | ratio |\n|---|---|---|---|---|")
    for residues in options.batches:
        speeds = residues_per_second(steps, some_batches(chains, residues, options.count), options.repeats)
        for name, speed in speeds.items():
            size = sum(weight.numel() for weight in made[name].parameters())
            print(f"| {name} | {size:,} | {residues} | {speed:,.0f} | {speed / speeds[FIRST]:.2f} |", flush=True)
    heads = [f"CPU ms of a call: {LENGTH} residues x {rows}" for rows in CALLED]
    print(f"\n| network | {' | '.join(heads)} |\n|---|---|---|")
    calls = [[network_call(network.eval(), LENGTH, rows) for network in made.values()] for rows in CALLED]
    seconds = [cpu_seconds(some, options.repeats) for some in calls]
    for name, *each in zip(made, *seconds, strict=True):
        print(f"| {name} | {' | '.join(f'{1e3 * second:.1f}' for second in each)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="Parquet file of chains, or a folder of them")
    parser.add_argument("--networks", nargs="+", default=["base", "base_256x8", "base_320x8"], help="configurations")
    parser.add_argument("--batches", type=int, nargs="+", default=[960, 1920], help="residues of a batch")
    parser.add_argument("--max-length", type=int, default=192, help="longest chain (residues)")
    parser.add_argument("--count", type=int, default=6, help="batches of each size")
    parser.add_argument("--repeats", type=int, default=3, help="turns of which the median is taken")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    options = parser.parse_args()
    prepare_process()
    torch.set_num_threads(options.threads)
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "configs"), version_base=None):
        report(options)
