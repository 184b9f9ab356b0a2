"""Invariant point attention as ordinary attention on augmented vectors."""

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.networks.frames import Frames
from gm_multimodal.networks.layers import in_full_precision, scaled_init_


@final
class InvariantPointAttention(nn.Module):
    """Attention between frames whose logits hold -w |T_i q - T_j k|^2 (AlphaFold 2, algorithm 22).

    The squared distance expands into inner products, -w |q|^2 + 2 w q.k - w |k|^2, whose first term drops out of the
    softmax. Scalars, points and -w |k|^2 (with the padding of j) therefore share one vector per head and one call of
    `scaled_dot_product_attention`; no tensor of size N x N x points exists.

    Args:
        width: channels of a site.
        heads: number of heads.
        head_width: numbers per head in each augmented vector; a multiple of 8 is fast.
        points: query, key and value points per head.
    """

    def __init__(self, width: int, heads: int, head_width: int = 32, points: int = 4) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.key_scalars = head_width - 3 * points - 1
        self.value_scalars = head_width - 3 * points
        if self.key_scalars < 1:
            raise ValueError(
                f"head_width {head_width} has no room for {points} points; give at least {3 * points + 2}."
            )
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, heads * (2 * self.key_scalars + self.value_scalars + 9 * points))
        self.gather = scaled_init_(nn.Linear(heads * (self.value_scalars + 4 * points), width), 0.3)
        self.point_weight = nn.Parameter(torch.full((heads,), 0.54))

    def forward(self, sites: Tensor, frames: Frames, bias: Tensor, padding: Tensor) -> Tensor:
        """Return the update of the sites.

        Args:
            sites: [B, N, width].
            frames: current frames.
            bias: added to the logits, [B, heads, N, N].
            padding: added to the logits of key j, [B, N]; very negative where j is padding.

        Returns:
            [B, N, width].
        """
        return self.gather(self._attend(self.project(self.norm(sites)).to(frames.translations), frames, bias, padding))

    @in_full_precision
    def _attend(self, projected: Tensor, frames: Frames, bias: Tensor, padding: Tensor) -> Tensor:
        b, n, _ = projected.shape
        heads, points = self.heads, self.points
        origin = frames.translations[..., None]
        q, k, v, local = projected.split(
            [heads * self.key_scalars, heads * self.key_scalars, heads * self.value_scalars, heads * 9 * points], -1
        )
        placed = frames.rotations @ local.unflatten(-1, (3, heads * 3 * points)) + origin
        placed = placed.view(b, n, 3, heads, 3, points).permute(4, 0, 3, 1, 2, 5).reshape(3, b, heads, n, 3 * points)
        q_points, k_points, v_points = placed.unbind(0)
        weight = (functional.softplus(self.point_weight) * (0.5 * math.sqrt(2 / (9 * points)))).view(heads, 1, 1)
        k_square = k_points.square().sum(-1, keepdim=True)
        one = torch.ones_like(k_square)
        query = torch.cat([self._heads(q) * self.key_scalars**-0.5, q_points * (2 * weight), one], -1)
        key = torch.cat([self._heads(k), k_points, padding[:, None, :, None] - weight * k_square], -1)
        value = torch.cat([self._heads(v), v_points], -1)
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0).transpose(1, 2)
        scalars, seen = out.split([self.value_scalars, 3 * points], -1)
        seen = seen.unflatten(-1, (3, points)).transpose(2, 3).flatten(3)  # [B, N, 3, heads * points]
        seen = frames.rotations.mT @ (seen - origin)
        length = (seen.square().sum(2) + 1e-4).sqrt()
        return torch.cat([scalars.flatten(2), seen.flatten(2), length], -1)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
