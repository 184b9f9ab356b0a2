"""Attention whose keys and values hold frames themselves, in place of learned points."""

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.networks.frames import Frames
from gm_multimodal.networks.layers import in_full_precision, scaled_init_

_FRAME = 3 + 9  # numbers of a frame


@final
class FrameAttention(nn.Module):
    """Attention with logits q.k / sqrt(c) - w |T_i p - x_j|^2 and values that hold T_i^{-1} T_j.

    Scalars q and a point p are learned functions of site i in its own frame: invariant point attention (AlphaFold 2,
    algorithm 22) whose keys and values are not learned points but x_j and R_j, the same for all heads. The squared
    distance expands into inner products, of which -w |T_i p|^2 drops out of the softmax; so all terms share one vector
    per head. These products run in the type of the bias, all other geometry in full precision.

    Args:
        width: channels of a site.
        heads: number of heads.
        head_width: numbers per head in each vector; a multiple of 8 is fast.
    """

    def __init__(self, width: int, heads: int, head_width: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.key_scalars, self.value_scalars = head_width - 4, head_width - _FRAME
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, heads * (3 + 2 * self.key_scalars + self.value_scalars))
        self.gather = scaled_init_(nn.Linear(heads * (self.value_scalars + _FRAME + 1), width), 0.3)
        self.point_weight = nn.Parameter(torch.full((heads,), 0.54))

    def forward(self, sites: Tensor, frames: Frames, bias: Tensor, padding: Tensor) -> Tensor:
        """Return the update of the sites.

        Args:
            sites: [B, N, width].
            frames: current frames.
            bias: added to the logits, [heads * B, N, N].
            padding: added to the logits of key j, [B, N]; very negative where j is padding.

        Returns:
            [B, N, width].
        """
        return self.gather(self._attend(self.project(self.norm(sites)), frames, bias, padding))

    @in_full_precision
    def _attend(self, projected: Tensor, frames: Frames, bias: Tensor, padding: Tensor) -> Tensor:
        b, n, _ = projected.shape
        heads, scale, dtype = self.heads, self.key_scalars**-0.5, bias.dtype
        r = frames.rotations
        x = frames.translations - frames.translations.mean(1, keepdim=True)  # small numbers lose less in bfloat16
        sizes = [3, self.key_scalars, self.key_scalars, self.value_scalars]
        local, q, k, v = projected.unflatten(-1, (heads, -1)).split(sizes, -1)
        weight = functional.softplus(self.point_weight) * math.sqrt(2 / 9)
        points = (local.to(x) @ r.mT + x[:, :, None]) * (2 / scale * weight)[:, None]
        one = torch.full_like(points[..., :1], 1 / scale)
        own = (padding[None] - weight[:, None, None] * x.square().sum(-1))[..., None]
        frame = torch.cat([x, r.mT.flatten(-2)], -1).to(dtype).expand(heads, b, n, _FRAME)  # the origin and three axes
        query = self._by_head(torch.cat([q.to(dtype), points.to(dtype), one.to(dtype)], -1)).flatten(0, 1)
        key = torch.cat([self._by_head(k).to(dtype), frame[..., :3], own.to(dtype)], -1).flatten(0, 1)
        value = torch.cat([self._by_head(v).to(dtype), frame], -1).flatten(0, 1)
        logits = torch.baddbmm(bias, query, key.mT, alpha=scale)
        out = (logits.softmax(-1) @ value).unflatten(0, (heads, b)).permute(1, 2, 0, 3)
        scalars, seen = out.split([self.value_scalars, _FRAME], -1)
        seen = (seen.to(x).reshape(b, n, heads * 4, 3) @ r).unflatten(2, (heads, 4))
        position = seen[..., 0, :] - (x[:, :, None] @ r)
        length = (position.square().sum(-1) + 1e-4).sqrt()
        axes = seen[..., 1:, :].flatten(2)
        return torch.cat([scalars.flatten(2).to(x), position.flatten(2), axes, length], -1)

    @staticmethod
    def _by_head(x: Tensor) -> Tensor:
        return x.permute(2, 0, 1, 3)
