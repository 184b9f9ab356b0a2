"""Toy data on R^1 and R^2, a small network for them, and its training by the loop that trains proteins.

The training step, optimiser and schedule are those of `training.module.MatchingModule`. What is not in the package
stands here: draws of toy data as batches, and a network.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from gm_multimodal.noise import Noise, SharedNoise
from gm_multimodal.parameterizations.bins import BinPosterior, Bins
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.base import Process
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.langevin import Langevin
from gm_multimodal.processes.superposition import Superposition
from gm_multimodal.product import Factor, Known, Product, State
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.sampler import Observer, Sampler
from gm_multimodal.schedules import Linear
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.training.module import MatchingModule
from gm_multimodal.training.optimisation import Optimisation

NAME = "x"
Draw = Callable[[int, Noise], Tensor]


def blocks(n: int, noise: Noise) -> Tensor:
    """Draw from a block, a spike and a narrower block, [n, 1]: sharp edges and two scales."""
    u, v, normal = (draw((n, 1)) for draw in (noise.uniform, noise.uniform, noise.normal))
    first, spike, second = -1.6 + 0.8 * v, 0.1 + 0.04 * normal, 0.9 + 0.4 * v
    return torch.where(u < 0.4, first, torch.where(u < 0.65, spike, second))


def spiral(n: int, noise: Noise) -> Tensor:
    """Draw from two spiral arms of width 0.05, uniform along the arms, [n, 2]: the coordinates depend strongly."""
    u = noise.uniform((n, 1))
    side = torch.where(noise.uniform((n, 1)) < 0.5, -1.0, 1.0)
    angle = 3.2 * math.pi * (0.04 + 0.96 * u).sqrt()
    arm = side * 0.19 * angle * torch.cat([torch.cos(angle), torch.sin(angle)], -1)
    return arm + 0.05 * noise.normal((n, 2))


@final
@dataclass(frozen=True)
class Toy:
    """A law on R^d, and how its factor can be read and moved.

    Attributes:
        dim: d.
        draw: draws data, (n, noise) -> [n, d].
        bins: bins of every coordinate, over the support of the data.
        strength: g^2 of the Langevin noise.
    """

    dim: int
    draw: Draw
    bins: Bins
    strength: float = 1.0

    @property
    def path(self) -> GaussianPath:
        """The path of all processes: straight lines from a standard normal."""
        return GaussianPath(Euclidean(self.dim))

    @property
    def reads(self) -> BinPosterior:
        """How the network is read: the law of every coordinate of z over bins, which all processes follow."""
        return BinPosterior(self.path.space, self.bins)

    def processes(self) -> dict[str, Process]:
        """Return the processes by name."""
        flow, drawn, jump = Flow(self.path), Flow(self.path, marginal="sample"), Jump(self.path)
        return {
            "flow": flow,
            "diffusion": Langevin(flow, self.strength),
            "jump": jump,
            "superposition": Superposition((drawn, jump), (0.5, 0.5)),
        }

    def product(self, process: Process) -> Product:
        """Return the product of one factor."""
        return {NAME: Factor(process, self.reads, Linear())}


LINE = Toy(1, blocks, Bins(-1.7, 1.5, 64))
PLANE = Toy(2, spiral, Bins(-2.2, 2.2, 128))


@final
class ToyNetwork(nn.Module):
    """A perceptron with three hidden layers on sines and cosines of x and t.

    Args:
        dim: d.
        bins: of every coordinate. To the logits is added log p_t(x | z) of the path at the middle of every bin, so that
            what remains to be learned is smooth.
        width: of the hidden layers.
    """

    def __init__(self, dim: int, bins: Bins, width: int) -> None:
        super().__init__()
        self.dim, self.bins = dim, bins
        self.frequencies = nn.Buffer(0.25 * math.pi * 2 ** torch.arange(6.0))
        inputs = (dim + 1) * (1 + 2 * len(self.frequencies))
        layers: list[nn.Module] = []
        for before, after in pairwise([inputs, width, width, width]):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Linear(width, dim * bins.count))

    def forward(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> dict[str, Tensor]:
        """Return the logits of the bins, [B, N, d, b]."""
        x, t = state[NAME], times[NAME][..., None]
        inputs = torch.cat([x, t], -1)
        phases = (inputs[..., None] * self.frequencies).flatten(-2)
        output = self.body(torch.cat([inputs, phases.sin(), phases.cos()], -1)).unflatten(
            -1, (self.dim, self.bins.count)
        )
        t = t[..., None]
        variance = (1 - t).square() + (t * self.bins.width).square() / 12  # of the path, and of z within a bin
        return {NAME: output - 0.5 * (x[..., None] - t * self.bins.centres(t)).square() / variance}


@final
@dataclass(frozen=True)
class ToyBatch:
    """Data points as rows of one site.

    Attributes:
        state: [B, 1, d].
        sites: one a row, present.
    """

    state: State
    sites: Sites

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ToyBatch":
        """Return itself: toys stay on the CPU."""
        return self


@final
class Draws(IterableDataset):
    """Fresh batches without end, the same for the same seed."""

    def __init__(self, draw: Draw, rows: int, seed: int) -> None:
        self.draw, self.rows, self.seed = draw, rows, seed

    def __iter__(self) -> Iterator[ToyBatch]:
        """Draw batch after batch."""
        noise = SharedNoise.keyed(self.seed)
        sites = Sites.all_present(self.rows, 1)
        while True:
            yield ToyBatch({NAME: self.draw(self.rows, noise)[:, None]}, sites)


def train(toy: Toy, steps: int, rows: int = 512, seed: int = 0, width: int = 128) -> ToyNetwork:
    """Train a network for all processes of a toy, and return it with averaged weights."""
    torch.manual_seed(seed)
    network = ToyNetwork(toy.dim, toy.bins, width)
    product = toy.product(Flow(toy.path))
    optimisation = Optimisation(learning_rate=2e-3, warmup_steps=100, decay_share=0.6)
    module = MatchingModule(network, product, optimisation, seed)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "num_sanity_val_steps": 0}
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    average = EMAWeightAveraging(decay=0.99, update_starting_at_step=steps // 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu", devices=1, max_steps=steps, gradient_clip_val=2.0, callbacks=[average], **quiet
        )
        trainer.fit(module, DataLoader(Draws(toy.draw, rows, seed), batch_size=None))
    return network.eval()


def generate(
    toy: Toy,
    process: str,
    network: nn.Module,
    rows: int,
    steps: int,
    seed: int = 0,
    observers: Sequence[Observer] = (),
) -> Tensor:
    """Simulate a process with a trained network over equal steps, [rows, d]."""
    product = toy.product(toy.processes()[process])
    sites = Sites.all_present(rows, 1)
    known = Known({NAME: torch.zeros(rows, 1, toy.dim)}, {NAME: ~sites.present}, sites)
    sampler = Sampler(UniformGrid(steps))
    noise = SharedNoise.keyed(seed, steps)
    return sampler(network, product, known, noise, observers)[NAME][:, 0]


def sliced_distance(a: Tensor, b: Tensor, directions: int = 64) -> float:
    """Return the Wasserstein-1 distance of projections, averaged over directions; of equal-sized samples [n, d]."""
    angles = math.pi * torch.arange(directions) / directions
    axes = torch.stack([angles.cos(), angles.sin()]) if a.shape[1] == 2 else torch.ones(1, 1)
    return float(((a @ axes).sort(0).values - (b @ axes).sort(0).values).abs().mean())
