"""How the network over pixels is read: three heads, trained jointly, each followed by the processes that know it."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.generators import DensityJump
from gm_multimodal.images.dataset import levels_of, points_of
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.bins import BinPrediction, BinRatePrediction, Bins
from gm_multimodal.parameterizations.velocity import VelocityPrediction
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.euclidean import Euclidean

VELOCITY = 0
"""Place of the velocity among the outputs of a channel."""

_BEYOND = (5**0.5 - 1) / 2  # how far beyond [-1, 1] the jumps of straight lines land, at t = 0


def data_bins(count: int) -> Bins:
    """Return bins whose middles are evenly spaced from -1 to 1: with as many as there are levels, one for each."""
    half = 1 / (count - 1)
    return Bins(-1 - half, 1 + half, count)


def landing_bins(bins: Bins) -> Bins:
    """Return bins of the same width, laid out on both sides as far as jumps land.

    At u standard deviations from t z the density of straight lines grows where u^2 - u z < 1, and so only within
    t z + (1 - t) (z -+ sqrt(z^2 + 4)) / 2, which for z in [-1, 1] lies in [-1.618, 1.618].
    """
    more = int(_BEYOND / bins.width) + 1
    return Bins(bins.lower - more * bins.width, bins.upper + more * bins.width, bins.count + 2 * more)


@final
@dataclass(frozen=True)
class PixelPrediction:
    """What three heads say of every pixel. A flow asks for the velocity, rates for a jump, a coupling for z.

    Attributes:
        path: straight lines from normal noise.
        x: where the process is, [*B, C].
        t: path time, [*B].
        bins: of z.
        levels: values that z can take, evenly spaced from -1 to 1.
        output: of the network: velocity, logarithm of the rate of jumps, logits of where they land, logits of z;
            [*B, C, outputs].
    """

    path: GaussianPath
    x: Tensor
    t: Tensor
    bins: Bins
    levels: int
    output: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """Return the sum of the losses of the heads, [*B]."""
        return sum(self.losses(z).values(), torch.zeros_like(self.t))

    def losses(self, z: Tensor) -> dict[str, Tensor]:
        """Return the loss of every head, [*B] each: |u_t(x | z) - u|^2, (1 - t) D(rates), -log P(bin of z).

        Rates grow like 1 / (1 - t). A weight that depends on t alone leaves the best prediction what it is; 1 - t makes
        all times count alike.
        """
        rates = (1 - self.t) * self.rates().loss(z)
        return {"velocity": self.velocity().loss(z), "rate": rates, "posterior": self.posterior().loss(z)}

    def velocity(self) -> VelocityPrediction:
        """Return the velocity."""
        return VelocityPrediction(self.path, self.x, self.t, self.output[..., VELOCITY])

    def rates(self) -> BinRatePrediction:
        """Return the rates of jumps; what the network emits is relative to 1 / (1 - t), and to landing near x."""
        bins = landing_bins(self.bins)
        logits = self.output[..., 2 : 2 + bins.count]
        left = self._left()
        spread = 4 * left.square() + bins.width**2
        near = -0.5 * (bins.centres(self.x) - self.x[..., None]).square() / spread[..., None]
        return BinRatePrediction(self.path, self.x, self.t, bins, self.output[..., 1] - left.log(), logits + near)

    def posterior(self) -> BinPrediction:
        """Return the law of z; what the network emits is added to log p_t(x | z) at the middles of the bins."""
        logits, t = self.output[..., -self.bins.count :], expand_as(self.t, self.x)[..., None]
        # Not below what z varies within a bin: a point off the path is not taken for certain of anything.
        variance = self._left()[..., None].square() + self.bins.width**2 / 12
        likelihood = -0.5 * (self.x[..., None] - t * self.bins.centres(self.x)).square() / variance
        return BinPrediction(self.path.space, self.x, self.bins, logits + likelihood)

    def mean(self) -> Tensor:
        """Return where the velocity leads, [*B, C]."""
        return self.velocity().mean()

    def displacement(self) -> Tensor:
        """Return the displacement that has the velocity, [*B, C]."""
        return self.velocity().displacement()

    def generator(self) -> DensityJump:
        """Return the jump, which lands anywhere within a bin."""
        return self.rates().generator()

    def sample(self, noise: Noise) -> Tensor:
        """Draw every channel of z on its own: a point of a bin, at the nearest level; [*B, C]."""
        return points_of(levels_of(self.posterior().sample(noise), self.levels), self.levels)

    def _left(self) -> Tensor:
        """Return 1 - t, above 0, to broadcast against points."""
        return expand_as((1 - self.t).clamp(min=1e-4), self.x)


@final
@dataclass(frozen=True)
class Heads:
    """Reads the output [*B, C, 2 + landing bins + bins] as three heads that are fitted jointly.

    Attributes:
        path: straight lines from normal noise.
        bins: of z.
        levels: values that z can take.
    """

    path: GaussianPath
    bins: Bins
    levels: int

    @property
    def space(self) -> Euclidean:
        """That of the path."""
        return self.path.space

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(C, 2 + landing bins + bins)."""
        return (self.path.space.dim, 2 + landing_bins(self.bins).count + self.bins.count)

    @property
    def predicts(self) -> type:
        """PixelPrediction."""
        return PixelPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> PixelPrediction:
        """Keep the output; a head is read when it is asked for."""
        return PixelPrediction(self.path, x, t, self.bins, self.levels, output)
