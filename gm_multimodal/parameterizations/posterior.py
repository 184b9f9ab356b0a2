"""A posterior over a finite set."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical, draw_categorical


@final
@dataclass(frozen=True)
class CategoricalPrediction:
    """P(z = k | x_t) = softmax(logits)_k.

    Attributes:
        logits: [*B, K].
        weight: factor of the loss, [*B] or a number.
    """

    logits: Tensor
    weight: Tensor | float = 1.0

    def loss(self, z: Tensor) -> Tensor:
        """Return -weight log P(z): the Bregman divergence of the negative entropy at a point mass, [*B] (nat).

        Args:
            z: states, int64 [*B], or laws of them, [*B, K], of which the mean over z is returned.
        """
        target = z.flatten(0, -2) if z.is_floating_point() else z.flatten()
        flat = functional.cross_entropy(self.logits.flatten(0, -2), target, reduction="none")
        return self.weight * flat.unflatten(0, self.logits.shape[:-1])

    def mean(self) -> Tensor:
        """Return the probabilities, [*B, K]: the mean of the one-hot vector of z."""
        return self.logits.softmax(-1)

    def sample(self, noise: Noise) -> Tensor:
        """Draw z, int64 [*B]."""
        return draw_categorical(self.mean(), noise)

    def tempered(self, temperature: float, background: tuple[float, ...] = ()) -> "CategoricalPrediction":
        """Return the law proportional to q (P/q)^(1/temperature): a heuristic that trades diversity for likelihood.

        Args:
            temperature: above 0; 1 is the law itself.
            background: q, a law of the states. What a prediction says beyond it is sharpened, so that a site of which
                nothing is known keeps it at any temperature; a uniform q sharpens what is frequent everywhere, too.
                Empty: uniform.
        """
        if temperature == 1:
            return self
        logits = self.logits / temperature
        if background:
            logits = logits + (1 - 1 / temperature) * logits.new_tensor(background).log()
        return CategoricalPrediction(logits, self.weight)


@final
@dataclass(frozen=True)
class CategoricalPosterior:
    """Reads the output [*B, size] as logits of the clean state; fitted by cross-entropy at the sites that hide it.

    The weight 1 / (1 - min(t, time_clip)) of a masked site is that of the evidence lower bound of the masking path, so
    that the mean over all sites is, up to the clip, a bound on -log p(z) per site. Without a mask, any site may hide z.

    Attributes:
        space: the finite set, with a mask or without.
        time_clip: time in [0, 1) beyond which the weight no longer grows.
        bias: added to the logits of the states, so that the law is tilted by exp(bias) at every call; -inf leaves a
            state out. Empty: none. A constraint of simulations, not of training.
    """

    space: MaskedCategorical | Categorical
    time_clip: float = 0.9
    bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse another space, a clip that leaves the weight unbounded, and a bias that does not fit."""
        expect(self, "space", self.space, MaskedCategorical, Categorical)
        if not 0 <= self.time_clip < 1:
            raise ValueError(f"CategoricalPosterior: time_clip is {self.time_clip}; give a number in [0, 1).")
        if len(self.bias) not in (0, self.space.size):
            raise ValueError(f"CategoricalPosterior: {len(self.bias)} biases for {self.space.size} states.")
        if self.bias and not -math.inf < max(self.bias) < math.inf:
            raise ValueError(f"CategoricalPosterior: bias is {self.bias}; give numbers or -inf, not -inf alone.")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(size,): the mask is never a clean state."""
        return (self.space.size,)

    @property
    def predicts(self) -> type:
        """CategoricalPrediction."""
        return CategoricalPrediction

    def __call__(self, output: Tensor, x: Tensor, t: Tensor) -> CategoricalPrediction:
        """Take output + bias for the logits; on the masking path, a site that is not masked shows z and has no loss."""
        weight = 1 / (1 - t.clamp(max=self.time_clip))
        if isinstance(self.space, MaskedCategorical):
            weight = torch.where(x == self.space.mask, weight, 0.0)
        logits = output + output.new_tensor(self.bias) if self.bias else output
        return CategoricalPrediction(logits, weight)
