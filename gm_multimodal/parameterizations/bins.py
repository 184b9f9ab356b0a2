"""Every coordinate of R^d over the bins of an interval: the posterior of z, or the rates of jumps."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from gm_multimodal.bregman import GeneralisedKL
from gm_multimodal.errors import expect
from gm_multimodal.generators import DensityJump
from gm_multimodal.noise import Noise
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.categorical import draw_categorical
from gm_multimodal.spaces.euclidean import Euclidean


@final
@dataclass(frozen=True)
class Bins:
    """An interval cut into equal bins.

    Attributes:
        lower: left end.
        upper: right end.
        count: number of bins K.
    """

    lower: float
    upper: float
    count: int

    def __post_init__(self) -> None:
        """Refuse an empty interval and fewer than two bins."""
        if not (self.lower < self.upper and self.count >= 2):
            raise ValueError(f"{self} has no bins; give lower < upper and a count of 2 or more.")

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.upper - self.lower) / self.count

    def centres(self, like: Tensor) -> Tensor:
        """Return the middles of the bins, [K]."""
        k = torch.arange(self.count, dtype=like.dtype, device=like.device)
        return self.lower + self.width * (k + 0.5)

    def index(self, z: Tensor) -> Tensor:
        """Return the bin of z, int64 as `z`; what lies outside belongs to the outermost bins."""
        return torch.floor((z - self.lower) / self.width).long().clamp(0, self.count - 1)

    def draw(self, probabilities: Tensor, noise: Noise) -> Tensor:
        """Draw a bin by [*B, K] and a uniform point of it, [*B]: centres alone would leave a grid."""
        k = draw_categorical(probabilities, noise).to(probabilities)
        return self.lower + self.width * (k + noise.uniform(k.shape).to(k))


@final
@dataclass(frozen=True)
class BinPrediction:
    """P(z in bin k | x_t) of every coordinate.

    Attributes:
        space: R^d.
        x: where the process is, [*B, d].
        bins: the bins.
        logits: [*B, d, K].
    """

    space: Euclidean
    x: Tensor
    bins: Bins
    logits: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return -log P(bin of z), summed over the coordinates, [*B] (nat)."""
        flat = functional.cross_entropy(self.logits.flatten(0, -2), self.bins.index(z).flatten(), reduction="none")
        return flat.unflatten(0, z.shape).sum(-1)

    def mean(self) -> Tensor:
        """Return the mean of the centres, [*B, d]."""
        return self.logits.softmax(-1) @ self.bins.centres(self.logits)

    def sample(self, noise: Noise) -> Tensor:
        """Draw every coordinate of z on its own, [*B, d]."""
        return self.bins.draw(self.logits.softmax(-1), noise)

    def displacement(self) -> Tensor:
        """Return the mean of z - x, [*B, d]."""
        return self.mean() - self.x


@final
@dataclass(frozen=True)
class BinPosterior:
    """Reads the output [*B, d, K] as logits of the bin of every coordinate of z; fitted by cross-entropy.

    Attributes:
        space: R^d.
        bins: the bins.
    """

    space: Euclidean
    bins: Bins

    def __post_init__(self) -> None:
        """Refuse another space, and what are not bins."""
        expect(self, "space", self.space, Euclidean)
        expect(self, "bins", self.bins, Bins)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(d, K)."""
        return (self.space.dim, self.bins.count)

    @property
    def predicts(self) -> type:
        """BinPrediction."""
        return BinPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> BinPrediction:
        """Take the output for the logits."""
        return BinPrediction(self.space, x, self.bins, output)


@final
@dataclass(frozen=True)
class BinRatePrediction:
    """Rates of jumping into every bin, coordinate by coordinate: exp(log_rate) softmax(logits).

    Attributes:
        path: the path whose canonical jump is predicted.
        x: where the process is, [*B, d].
        t: path time, [*B].
        bins: the bins.
        log_rate: logarithm of the total rate of every coordinate, [*B, d].
        logits: where it lands, [*B, d, K].
    """

    path: GaussianPath
    x: Tensor
    t: Tensor
    bins: Bins
    log_rate: Tensor
    logits: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return the generalised Kullback-Leibler divergence from the conditional rates, summed over coordinates, [*B].

        Its expectation over paths is an evidence lower bound of the jump model (arXiv 2410.20587, appendix D.2).
        """
        log_b = self.log_rate[..., None] + self.logits.log_softmax(-1)
        return GeneralisedKL().divergence_from_log(self.target_rates(z), log_b).sum(-1)

    def target_rates(self, z: Tensor) -> Tensor:
        """Return the rates of the canonical jump given z, its landing law put into the bins, [*B, d, K]."""
        rate = (-self.path.log_prob_rate(self.x, self.t, z)).clamp(min=0)
        centres, t, at = self.bins.centres(z), expand_as(self.t, z)[..., None], z[..., None]
        growth = self.path.log_prob_rate(centres, t, at).clamp(min=0).log()
        landing = (self.path.log_prob(centres, t, at) + growth).softmax(-1)
        # Late in time no centre may lie where the law still grows: the bin of z itself is meant there.
        nearest = functional.one_hot(self.bins.index(z), self.bins.count).to(z)
        landing = torch.where((growth > -torch.inf).any(-1, keepdim=True), landing, nearest)
        return rate[..., None] * landing

    def generator(self) -> DensityJump:
        """Return the jump that is predicted."""
        return DensityJump(self.log_rate.exp(), lambda noise: self.bins.draw(self.logits.softmax(-1), noise))

    def mean(self) -> Tensor:
        """Return the mean of where jumps land, [*B, d]."""
        return self.logits.softmax(-1) @ self.bins.centres(self.logits)


@final
@dataclass(frozen=True)
class BinRates:
    """Reads the output [*B, d, 1 + K] as (log rate, logits over bins) of jumps (arXiv 2410.20587, section 7, images).

    Attributes:
        path: the path whose canonical jump is learned.
        bins: the bins.
    """

    path: GaussianPath
    bins: Bins

    def __post_init__(self) -> None:
        """Refuse another path, and what are not bins."""
        expect(self, "path", self.path, GaussianPath)
        expect(self, "bins", self.bins, Bins)

    @property
    def space(self) -> Euclidean:
        """That of the path."""
        return self.path.space

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(d, 1 + K)."""
        return (self.path.space.dim, 1 + self.bins.count)

    @property
    def predicts(self) -> type:
        """BinRatePrediction."""
        return BinRatePrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> BinRatePrediction:
        """Split the output into log rate and logits."""
        return BinRatePrediction(self.path, x, t, self.bins, output[..., 0], output[..., 1:])
