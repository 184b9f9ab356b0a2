"""A compact U-Net over pixels."""

import math
from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.product import State
from gm_multimodal.sites import Sites

PIXELS = "pixels"
"""Name of the one factor: sites are the pixels row by row, points their channels, [B, H W, C]."""

_FREQUENCIES = 32
_HIGHEST = 100.0  # periods in unit time of the fastest wave of the time


@final
class UNet(nn.Module):
    """Residual blocks on the way down to small images and up again; where these are small, pixels attend to all.

    All tensors hold their channels last, as pixels arrive: convolutions are fastest so, and nothing is rearranged.

    Args:
        shape: (C, H, W) of the images; H and W must be divisible by 2 for every level but the first.
        outputs: numbers that are emitted for every channel of a pixel.
        widths: channels of each level, beginning with the whole image; every further level halves the sides.
        blocks: residual blocks of each level, on the way down and on the way up.
        attention: longest side of an image over which pixels attend to each other; those of the smallest always do.
        heads: attention heads.
        dropout: share of hidden channels that a training step drops.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        widths: Sequence[int],
        blocks: int,
        attention: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        if not widths:
            raise ValueError("a U-Net has one level or more: give for example widths=[32,64]")
        if height % 2 ** (len(widths) - 1) or width % 2 ** (len(widths) - 1):
            raise ValueError(f"images of {height} x {width} pixels cannot be halved {len(widths) - 1} times")
        self.shape, self.outputs = (channels, height, width), outputs
        time = 4 * widths[0]
        self.time = _Time(time)
        self.enter = _conv(channels, widths[0])

        def stage(inside: int, outside: int, level: int) -> _Stage:
            attends = max(height, width) >> level <= attention
            return _Stage(inside, outside, time, heads if attends else 0, dropout)

        last = len(widths) - 1
        self.down, self.shrink, skips = nn.ModuleList(), nn.ModuleList(), []
        before = widths[0]
        for level, own in enumerate(widths):
            for _ in range(blocks):
                self.down.append(stage(before, own, level))
                before = own
                skips.append(own)
            if level < last:
                self.shrink.append(_conv(own, own, stride=2))
        self.middle = _Stage(before, before, time, heads, dropout)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(blocks):
                self.up.append(stage(before + skips.pop(), widths[level], level))
                before = widths[level]
            if level > 0:
                self.grow.append(_conv(before, before))
        self.blocks = blocks
        self.leave = nn.Sequential(nn.LayerNorm(before), nn.SiLU())
        self.emit = _conv(before, channels * outputs, gain=0.0)

    def forward(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> dict[str, Tensor]:
        """Return [B, H W, C, outputs]; the time of an image is that of its generated pixels, the smallest."""
        channels, height, width = self.shape
        emb = self.time(times[PIXELS].amin(1))
        x = _convolve(self.enter, state[PIXELS].unflatten(1, (height, width)))
        skips, down = [], iter(self.down)
        for level in range(len(self.shrink) + 1):
            for _ in range(self.blocks):
                x = next(down)(x, emb)
                skips.append(x)
            if level < len(self.shrink):
                x = _convolve(self.shrink[level], x)
        x, up = self.middle(x, emb), iter(self.up)
        for level in range(len(self.grow) + 1):
            for _ in range(self.blocks):
                x = next(up)(torch.cat([x, skips.pop()], -1), emb)
            if level < len(self.grow):
                x = _convolve(self.grow[level], _twice(x))
        output = _convolve(self.emit, self.leave(x))
        return {PIXELS: output.flatten(1, 2).unflatten(-1, (channels, self.outputs))}


class _Time(nn.Module):
    """Waves of the time, and two layers on them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Buffer(2 * math.pi * _HIGHEST ** torch.linspace(-0.5, 1, _FREQUENCIES), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        """Return [B, width] of times [B]."""
        phases = t[:, None] * self.frequencies
        return self.layers(torch.cat([phases.sin(), phases.cos()], -1))


class _Stage(nn.Module):
    """A residual block that knows the time, and attention where heads are given."""

    def __init__(self, inside: int, outside: int, time: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inside)
        self.time = nn.Linear(time, outside)
        self.first = _conv(inside, outside)
        self.dropout = nn.Dropout(dropout)
        self.second = _conv(outside, outside, gain=0.0)
        self.skip = nn.Linear(inside, outside) if inside != outside else nn.Identity()
        self.attention = _Attention(outside, heads) if heads else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Return [B, H, W, outside] of x [B, H, W, inside] and the time [B, time]."""
        h = _convolve(self.first, self.norm(x)) + self.time(emb)[:, None, None]
        h = self.dropout(functional.silu(h))
        x = self.skip(x) + _convolve(self.second, h)
        return x if self.attention is None else self.attention(x)


class _Attention(nn.Module):
    """Every pixel attends to all."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be shared by {heads} attention heads")
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask, self.tell = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, H, W, width] and what its pixels were told."""
        asked = self.ask(self.norm(x)).flatten(1, 2).unflatten(-1, (3, self.heads, -1))
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        told = functional.scaled_dot_product_attention(query, key, value)
        return x + self.tell(told.transpose(1, 2).flatten(2)).view_as(x)


def _conv(inside: int, outside: int, stride: int = 1, gain: float = 1.0) -> nn.Conv2d:
    layer = nn.Conv2d(inside, outside, 3, stride=stride, padding=1)
    layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=torch.channels_last))
    nn.init.normal_(layer.weight, std=gain / math.sqrt(9 * inside))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _convolve(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution to channels that stand last."""
    return layer(x.movedim(-1, 1)).movedim(1, -1)


def _twice(x: Tensor) -> Tensor:
    """Double both sides of [B, H, W, C]."""
    return functional.interpolate(x.movedim(-1, 1), scale_factor=2).movedim(1, -1)
