"""Small building blocks: time embedding, transition, scaled initialisation."""

import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

P = ParamSpec("P")
T = TypeVar("T")


def in_full_precision(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function outside of autocast: bfloat16 would move points by up to 0.3 Angstrom."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        if not (torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu")):
            return function(*args, **kwargs)
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    return wrapped


def scaled_init_(linear: nn.Linear, scale: float) -> nn.Linear:
    """Draw the weights with standard deviation scale / sqrt(fan in), zero the bias, and return the layer."""
    nn.init.normal_(linear.weight, std=scale / math.sqrt(linear.in_features))
    nn.init.zeros_(linear.bias)
    return linear


@final
class TimeEmbedding(nn.Module):
    """Sines and cosines of time at geometrically spaced frequencies, for several clocks at once.

    Args:
        clocks: number of times per site.
        frequencies: number of frequencies per clock.
        highest: highest angular frequency [rad per unit of time].
    """

    def __init__(self, clocks: int, frequencies: int = 16, highest: float = 60.0) -> None:
        super().__init__()
        self.width = 2 * clocks * frequencies
        spaced = torch.exp(torch.linspace(0, math.log(highest), frequencies))
        self.register_buffer("frequencies", spaced, persistent=False)
        self.frequencies: Tensor

    def forward(self, times: Tensor) -> Tensor:
        """Embed times [B, N, clocks] as [B, N, width]."""
        angles = (times[..., None] * self.frequencies).flatten(-2)
        return torch.cat([angles.sin(), angles.cos()], -1)


@final
class Transition(nn.Module):
    """x -> W_2 relu(W_1 LayerNorm(x)), to be added to x.

    Args:
        width: channels.
        factor: hidden channels over channels.
    """

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, factor * width)
        self.contract = scaled_init_(nn.Linear(factor * width, width), 0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, N, width] to an update of the same shape."""
        return self.contract(functional.relu(self.expand(self.norm(x))))
