"""Simulate images with the exact posterior over 100 digits in the network's place; print Markdown tables.

python -m scripts.benchmarks.image_oracle [--samples 5000]

The data are ten images of every digit, equally often, on the Gaussian path; the pixels are sites of one factor. With
the joint posterior a step draws one image for all pixels of a sample, with the posterior per pixel, which is what a
network gives, every pixel draws for itself. Along the way samples are compared with p_t, a mixture of normal laws in
every direction: along every pixel, and along the first ten principal components of the images, where all pixels speak.
At the end they are compared with the images. Beside all figures stands what as many independent draws are off.
"""

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.images.dataset import load_images
from gm_multimodal.noise import Noise, SharedNoise
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.base import Process
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition
from gm_multimodal.product import Factor, Known, State
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.observers import StateRecorder
from gm_multimodal.sampling.sampler import Sampler
from gm_multimodal.schedules import Linear
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean
from scripts.benchmarks.theory_tables import table

NAME = "pixels"
PATH = GaussianPath(Euclidean(1))
PER_DIGIT = 10
TIMES = (0.5, 0.9)
JOINT_STEPS, STEPS = 20, (10, 20, 50, 100, 200)
COMPONENTS = 10
CELLS = 40  # of the histograms
REACH = 2.5  # standard deviations beyond the outermost image that they cover; the outer cells are open
REPLICATES = 60  # of the independent draws
ARRIVED = 0.01  # a pixel of a sample is that of an image; levels are 0.125 apart


def data() -> Tensor:
    """Return the first training images of every digit, [K, N]."""
    digits = load_images("digits", "train")
    assert digits.labels is not None
    chosen = torch.cat([torch.nonzero(digits.labels == k)[:PER_DIGIT, 0] for k in range(10)])
    return digits.points()[chosen].flatten(1).double()


IMAGES = data()
K, N = IMAGES.shape


def directions() -> Tensor:
    """Return unit vectors, [N + COMPONENTS, N]: the pixels, and the first principal components of the images."""
    _, _, components = torch.linalg.svd(IMAGES - IMAGES.mean(0))
    return torch.cat([torch.eye(N, dtype=torch.float64), components[:COMPONENTS]])


DIRECTIONS = directions()


@final
@dataclass
class ImagePosterior:
    """P(image | x_t) of all pixels, [B, K], followed together or pixel by pixel.

    A step draws once, whichever processes ask: a superposition has one z.
    """

    x: Tensor
    probabilities: Tensor
    is_joint: bool
    drawn: Tensor | None = field(default=None, init=False)

    def loss(self, z: Tensor) -> Tensor:
        """Refuse: nothing is trained."""
        raise NotImplementedError

    def mean(self) -> Tensor:
        """Return the mean image, [B, N, 1]."""
        return (self.probabilities @ IMAGES)[..., None]

    def displacement(self) -> Tensor:
        """Return the mean of z - x, [B, N, 1]."""
        return self.mean() - self.x

    def sample(self, noise: Noise) -> Tensor:
        """Draw an image for every sample, or for every pixel, [B, N, 1]."""
        if self.drawn is None:
            u = noise.uniform((len(self.x), 1 if self.is_joint else N))
            cumulative = self.probabilities.cumsum(-1)
            k = torch.searchsorted(cumulative, u * cumulative[:, -1:], right=True).clamp(max=K - 1)
            self.drawn = IMAGES[k.expand(-1, N), torch.arange(N)][..., None]
        return self.drawn


@final
@dataclass(frozen=True)
class ReadPosterior:
    """Reads the output [B, N, K], equal at all pixels, as logits of the images."""

    is_joint: bool
    output_shape: tuple[int, ...] = (K,)
    predicts: type = ImagePosterior
    space: Euclidean = PATH.space

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> ImagePosterior:
        """Take the first pixel's."""
        return ImagePosterior(x, output[:, 0].softmax(-1), self.is_joint)


def oracle(state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None) -> Mapping[str, Tensor]:
    """Return log P(image | x_t) up to a constant, [B, N, K]: what |x - t z|^2 / (2 (1 - t)^2) has of z."""
    x, t = state[NAME][..., 0], times[NAME][:, :1].to(state[NAME])
    logits = (t * (x @ IMAGES.T) - t.square() * IMAGES.square().sum(1) / 2) / (1 - t).square()
    return {NAME: logits[:, None].expand(-1, N, -1)}


def simulate(process: Process, is_joint: bool, samples: int, steps: int, seed: int) -> list[Tensor]:
    """Return the samples before the first step and after every one, [B, N] each."""
    product = {NAME: Factor(process, ReadPosterior(is_joint), Linear())}
    sites = Sites.all_present(samples, N)
    known = Known({NAME: torch.zeros(samples, N, 1, dtype=torch.float64)}, {NAME: ~sites.present}, sites)
    noise, recorder = SharedNoise(torch.Generator().manual_seed(seed), torch.float64), StateRecorder()
    Sampler(UniformGrid(steps))(oracle, product, known, noise, [recorder])
    return [state[NAME][..., 0] for state in recorder.states]


def variations(x: Tensor, t: float) -> tuple[float, float]:
    """Return the total variation between histograms of x [B, N] and p_t: means over pixels and over components."""
    centres, sigma = t * DIRECTIONS @ IMAGES.T, 1 - t  # [D, K]
    low, high = centres.amin(1) - REACH * sigma, centres.amax(1) + REACH * sigma
    edges = low[:, None] + (high - low)[:, None] * torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)[1:-1]
    below = torch.special.ndtr((edges[..., None] - centres[:, None]) / sigma).mean(-1)  # [D, CELLS - 1]
    ends = torch.zeros(len(below), 1, dtype=torch.float64)
    wanted = torch.cat([ends, below, ends + 1], 1).diff(dim=1)
    cells = torch.searchsorted(edges, (x @ DIRECTIONS.T).T.contiguous())
    counts = torch.zeros_like(wanted).scatter_add_(1, cells, torch.ones(cells.shape, dtype=torch.float64))
    error = (counts / len(x) - wanted).abs().sum(1) / 2
    return float(error[:N].mean()), float(error[N:].mean())


def lost_spread(x: Tensor, t: float) -> float:
    """Return by how much the variance of x [B, N] along the components falls short of that of p_t: mean share."""
    along = DIRECTIONS[N:] @ IMAGES.T
    wanted = t**2 * along.var(1, correction=0) + (1 - t) ** 2
    return float((1 - (x @ DIRECTIONS[N:].T).var(0) / wanted).mean())


def independent(t: float, samples: int) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of the three figures above over sets of independent draws of p_t."""
    noise = SharedNoise(torch.Generator().manual_seed(1), torch.float64)
    errors = []
    for _ in range(REPLICATES):
        z = IMAGES[(noise.uniform((samples,)) * K).long()]
        x = t * z + (1 - t) * noise.normal((samples, N))
        errors.append([*variations(x, t), lost_spread(x, t)])
    values = torch.tensor(errors, dtype=torch.float64)
    return values.mean(0).tolist(), values.std(0).tolist()


def frequencies(x: Tensor) -> Tensor:
    """Return how many samples [B, N] are each of the images, float64 [K]."""
    nearest = torch.cdist(x, IMAGES).argmin(1)
    has_arrived = ((x - IMAGES[nearest]).abs() < ARRIVED).all(1)
    return torch.bincount(nearest[has_arrived], minlength=K).double()


def frequency_error(counts: Tensor, samples: int) -> float:
    """Return the total variation between where samples end, at an image or elsewhere, and the uniform law."""
    shares = counts / samples
    return float(((shares - 1 / K).abs().sum() + 1 - shares.sum()) / 2)


def chi_square(counts: Tensor) -> tuple[float, float]:
    """Return the statistic of equal frequencies and its p-value, K - 1 degrees of freedom."""
    wanted = counts.sum() / K
    statistic = ((counts - wanted).square() / wanted).sum()
    half = torch.tensor((K - 1) / 2, dtype=torch.float64)
    return float(statistic), float(torch.special.gammaincc(half, statistic / 2))


def floors(t: float, samples: int) -> list[str]:
    """Return mean and deviation of the three figures of independent draws."""
    return [f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in zip(*independent(t, samples), strict=True)]


def exactness(processes: Mapping[str, Process], samples: int, seed: int) -> str:
    """Return the table of the joint posterior."""
    head = [f"joint posterior, {JOINT_STEPS} steps"]
    head += [f"{what}, t = {t}" for t in TIMES for what in ("pixels", "components")]
    rows: list[list[object]] = []
    for name, process in processes.items():
        states = simulate(process, True, samples, JOINT_STEPS, seed)
        errors = [f"{e:.4f}" for t in TIMES for e in variations(states[round(t * JOINT_STEPS)], t)]
        counts = frequencies(states[-1])
        statistic, p = chi_square(counts)
        rows.append([name, *errors, f"{1 - counts.sum() / samples:.4f}", f"{statistic:.1f}", f"{p:.2f}"])
    floor = [pair for t in TIMES for pair in floors(t, samples)[:2]]
    rows.append(["independent draws", *floor, "0", f"{K - 1} ± {math.sqrt(2 * (K - 1)):.1f}", "uniform"])
    return table([*head, "at no image", "χ²", "p"], rows)


def factorisation(processes: Mapping[str, Process], samples: int, seed: int) -> str:
    """Return the tables of the posterior per pixel, by number of steps."""
    what = ["lost spread, t = 0.5", "pixels, t = 0.5", "components, t = 0.5", "frequencies of images", "at no image"]
    rows: dict[str, list[list[object]]] = {measure: [] for measure in what}
    for name, process in processes.items():
        columns = []
        for steps in STEPS:
            states = simulate(process, False, samples, steps, seed)
            counts = frequencies(states[-1])
            ends = frequency_error(counts, samples), float(1 - counts.sum() / samples)
            middle = states[steps // 2]
            columns.append([lost_spread(middle, 0.5), *variations(middle, 0.5), *ends])
        for measure, values in zip(what, zip(*columns, strict=True), strict=True):
            rows[measure].append([name, *(f"{value:.4f}" for value in values)])
    *variation, spread = floors(0.5, samples)
    deviation = math.sqrt((1 - 1 / K) / K / samples)  # of one share; half its absolute value is summed over K
    mean, spread_of_mean = K * deviation / math.sqrt(2 * math.pi), deviation * math.sqrt(K * (1 - 2 / math.pi)) / 2
    frequency = f"{mean:.4f} ± {spread_of_mean:.4f}"
    for measure, floor in zip(what, [spread, *variation, frequency, "0"], strict=True):
        rows[measure].append(["independent draws", floor])
    return "\n\n".join(table([measure, *(f"{n} steps" for n in STEPS)], rows[measure]) for measure in what)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5000, help="of every figure")
    parser.add_argument("--seed", type=int, default=0, help="of the simulations")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = Flow(PATH, marginal="sample"), Jump(PATH)
    drawn: dict[str, Process] = {
        "flow": parts[0],
        "jump": parts[1],
        "superposition": Superposition(parts, (0.5, 0.5)),
    }
    print(exactness(drawn, options.samples, options.seed), flush=True)
    mean = Flow(PATH)
    averaged: dict[str, Process] = {
        "flow of the mean": mean,
        "superposition, flow of the mean": Superposition((mean, parts[1]), (0.5, 0.5)),
    }
    print("\n" + factorisation({**averaged, **drawn}, options.samples, options.seed))


if __name__ == "__main__":
    main()
