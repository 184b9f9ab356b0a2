"""Simulate the rotations of short chains with the exact posterior in the network's place; print Markdown tables.

python -m scripts.benchmarks.chain_oracle [--samples 4000] [--residues 2]

The data are three chains of eight residues, or as many as asked for (from the structures in data/), with weights .5, .3
and .2, on the geodesic path. A joint posterior draws one chain for all residues of a sample; a posterior per residue,
which is what a network gives, draws for every residue by itself. A sample that ends at none of the chains is an error,
as is a chain that comes too often: the figure is the total variation from the weights. Beside it stands what as many
independent draws are off.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gm_multimodal.noise import SharedNoise
from gm_multimodal.oracle import log_likelihood
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition
from gm_multimodal.protein.frames import frames_from_backbone
from gm_multimodal.protein.structure import read_backbone
from gm_multimodal.spaces.categorical import draw_categorical
from gm_multimodal.spaces.rotations import Rotations
from scripts.benchmarks.theory_tables import table

SO3 = Rotations()
PATH = GeodesicPath(SO3)
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
FILES = ("3c4s_A_1.pdb", "3op9_A_6.pdb", "4kmf_A_1.pdb")
STEPS = (20, 50, 100, 200)
ARRIVED = 0.01  # rad; a flow of the mean comes near, not there
Step = Callable[[Tensor, Tensor, Tensor, Tensor, SharedNoise], Tensor]
"""A step from x [M, N, 3, 3] at t to t_next [M, N], given the weights of the chains [M, K]."""


def data(residues: int) -> Tensor:
    """Return the rotations of the chains, [K, N, 3, 3]."""
    folder = Path(__file__).resolve().parents[2] / "data"
    backbones = [read_backbone(folder / name)[0].coordinates[20 : 20 + residues] for name in FILES]
    return frames_from_backbone(torch.from_numpy(np.stack(backbones)).double())[1]


def posterior(chains: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Return P(chain | x_t), [M, K]: the residues of a sample speak together."""
    likelihood = log_likelihood(
        PATH, x[:, None], t[:, None].expand(-1, len(chains), -1), chains.expand(len(x), -1, -1, -1, -1)
    )
    return (WEIGHTS.log() + likelihood.sum(-1)).softmax(-1)


def sampled(chains: Tensor, process: ConditionalProcess, joint: bool) -> Step:
    """Follow one draw of the posterior, for all residues together or for each by itself."""

    def step(x: Tensor, t: Tensor, t_next: Tensor, p: Tensor, noise: SharedNoise) -> Tensor:
        k = draw_categorical(p, noise)[:, None] if joint else draw_categorical(p[:, None].expand(*t.shape, -1), noise)
        z = chains[k.expand(t.shape), torch.arange(t.shape[1])]
        return process.conditional(x, t, t_next, z, noise)

    return step


def mean_flow(chains: Tensor) -> Step:
    """Follow the mean of the posterior."""

    def step(x: Tensor, t: Tensor, t_next: Tensor, p: Tensor, noise: SharedNoise) -> Tensor:
        v = SO3.log(x[:, None], chains)  # [M, K, N, 3]
        return PATH.follow(x, t, t_next, (p[..., None, None] * v).sum(1))

    return step


def error(chains: Tensor, step: Step, samples: int, steps: int, seed: int) -> float:
    """Return the total variation between where samples end and the weights of the chains."""
    noise = SharedNoise(torch.Generator().manual_seed(seed), torch.float64)
    x = SO3.prior((samples, chains.shape[1]), noise)
    for t, t_next in pairwise(torch.linspace(0, 1, steps + 1, dtype=torch.float64)):
        now, then = (u.expand(samples, chains.shape[1]) for u in (t, t_next))
        x = step(x, now, then, posterior(chains, x, now), noise)
    at = (SO3.log(x[:, None], chains).norm(dim=-1) < ARRIVED).all(-1).double()  # [M, K]
    shares = at.mean(0)
    return float(((shares - WEIGHTS).abs().sum() + 1 - shares.sum()) / 2)


def order(errors: list[float]) -> str:
    """Return the power of the step with which errors fall."""
    return f"{-np.polyfit(np.log(STEPS), np.log(errors), 1)[0]:.2f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000, help="of every figure")
    parser.add_argument("--seeds", type=int, default=4, help="runs whose mean is taken")
    parser.add_argument("--residues", type=int, default=8, help="of every chain")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chains = data(options.residues)
    parts = Flow(PATH, marginal="sample"), Jump(PATH)
    processes: dict[str, ConditionalProcess] = {"flow": parts[0], "jump": parts[1]}
    processes |= {f"superposition {a:g}": Superposition(parts, (1 - a, a)) for a in (0.25, 0.5, 0.75)}

    def mean_error(step: Step, steps: int) -> float:
        return sum(error(chains, step, options.samples, steps, seed) for seed in range(options.seeds)) / options.seeds

    floor = float((WEIGHTS * (1 - WEIGHTS) / (2 * torch.pi * options.samples)).sqrt().sum())
    rows = [[name, mean_error(sampled(chains, process, joint=True), 20), floor] for name, process in processes.items()]
    print(table(["joint posterior, 20 steps", "error", "independent draws"], rows), flush=True)
    rows = []
    for name, step in {
        "flow of the mean": mean_flow(chains),
        **{f"{name}, per residue": sampled(chains, process, joint=False) for name, process in processes.items()},
    }.items():
        errors = [mean_error(step, steps) for steps in STEPS]
        rows.append([name, *errors, order(errors)])
        print(rows[-1], flush=True)
    print(table(["", *(f"{steps} steps" for steps in STEPS), "order"], rows))


if __name__ == "__main__":
    main()
