"""Rigid frames and their invariant features: everything the trunk knows of geometry passes through here.

A frame maps local to global coordinates, y = R u + x. Lengths are in nm. Every feature is a function of relative
frames T_i^{-1} T_j alone, so that it does not change when all frames are moved together.
"""

from dataclasses import dataclass
from typing import final

import torch
from e3nn import o3
from torch import Tensor

from gm_multimodal.network import Context
from gm_multimodal.networks.layers import in_full_precision

NEIGHBOURS = (-2, -1, 1, 2)
"""Offsets along the chain whose frames a site sees directly."""

LOCAL_FEATURES = len(NEIGHBOURS) * (9 + 3 + 1)
PAIR_GEOMETRY = 9 + 3 + 5 + 16
_OFFSETS = (-64, -32, -24, -16, -12, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64)
PAIR_OFFSETS = len(_OFFSETS)


@final
@dataclass(frozen=True)
class Frames:
    """Frames of all sites.

    Attributes:
        translations: x, [B, N, 3] (nm).
        rotations: R, [B, N, 3, 3].
    """

    translations: Tensor
    rotations: Tensor

    @in_full_precision
    def to_local(self, y: Tensor) -> Tensor:
        """Return R_i^T (y_i - x_i) for points y [B, N, 3]."""
        return (self.rotations.mT @ (y - self.translations)[..., None]).squeeze(-1)


def chain_neighbours(context: Context) -> Tensor:
    """Tell which of the NEIGHBOURS exist: present, in the same chain, at that very offset; [B, N, 4] as 0.0 or 1.0."""
    exists = []
    for k in NEIGHBOURS:
        index, chain = context.index.roll(-k, 1), context.chain.roll(-k, 1)
        exists.append((index - context.index == k) & (chain == context.chain) & context.present.roll(-k, 1))
    return torch.stack(exists, -1).to(torch.float32)


@in_full_precision
def local_features(frames: Frames, neighbours: Tensor) -> Tensor:
    """Describe the frames of the chain neighbours as seen from every site.

    Args:
        frames: the frames.
        neighbours: 1 where a neighbour exists, [B, N, 4]; features of others are 0.

    Returns:
        Relative rotations, softly bounded relative positions and distances, [B, N, 4 * 13].
    """
    x, r = frames.translations, frames.rotations
    whole = torch.cat([r, x[..., None]], -1)  # [B, N, 3, 4]: the three axes and the origin
    shifted = torch.stack([whole.roll(-k, 1) for k in NEIGHBOURS], -2)  # [B, N, 3, 4 neighbours, 4]
    axes, origins = shifted[..., :3].flatten(-2), shifted[..., 3] - x[..., None]
    seen = r.mT @ torch.cat([axes, origins], -1)  # [B, N, 3, 12 + 4]
    position = seen[..., 12:]
    distance = (position.square().sum(-2, keepdim=True) + 1e-5).sqrt()
    rows = torch.cat(
        [seen[..., :12].unflatten(-1, (4, 3)).mT, 2.6 * (position / (1 + distance / 1.5))[..., None, :]], -2
    )
    features = torch.cat([rows.flatten(-3, -2), distance], -2)  # [B, N, 13, 4 neighbours]
    return (features * neighbours[..., None, :]).flatten(-2)


def _offset_table(device: torch.device) -> Tensor:
    """Return hat functions on the knots _OFFSETS at the integers -64 ... 64, [knots, 129]."""
    knots = torch.tensor(_OFFSETS, dtype=torch.float32, device=device)
    at = torch.arange(_OFFSETS[0], _OFFSETS[-1] + 1, dtype=torch.float32, device=device)
    left = torch.cat([knots[:1] - 1, knots[:-1]])
    right = torch.cat([knots[1:], knots[-1:] + 1])
    rise = (at - left[:, None]) / (knots - left)[:, None]
    fall = (right[:, None] - at) / (right - knots)[:, None]
    return torch.minimum(rise, fall).clamp(min=0)


@torch.no_grad()
def offset_features(context: Context) -> Tensor:
    """Encode the position of j relative to i along the chain, [B, PAIR_OFFSETS, N, N].

    Piecewise linear in the offset: exact for neighbours, coarse far away; all zero between different chains.
    """
    offset = (context.index[:, None, :] - context.index[:, :, None]).clamp(_OFFSETS[0], _OFFSETS[-1]) - _OFFSETS[0]
    table = _offset_table(offset.device)
    encoded = table.index_select(1, offset.flatten()).unflatten(1, offset.shape).transpose(0, 1)
    return encoded * (context.chain[:, None, :] == context.chain[:, :, None])[:, None]


@torch.no_grad()
@in_full_precision
def pair_features(frames: Frames, out: Tensor) -> None:
    """Describe frame j as seen from frame i; written to `out` [B, PAIR_GEOMETRY, N, N] in place.

    Relative rotation (9 numbers, the l = 1 Wigner matrix), spherical harmonics of l = 1 and 2 of the softly normalised
    direction (8), and compact bumps of the distance between 0.2 and 2.3 nm (16). Constants for the gradient: frames at
    x_t are data, and fed-back frames are made without gradient.
    """
    x, r = frames.translations, frames.rotations
    b, n, _ = x.shape
    x = x - x.mean(1, keepdim=True)
    rows = r.permute(0, 3, 1, 2).reshape(b, 3 * n, 3)
    columns = torch.cat([r, x[..., None]], -1).permute(0, 2, 3, 1).reshape(b, 3, 4 * n)
    product = torch.bmm(rows, columns).view(b, 3, n, 4, n)
    out[:, :9].view(b, 3, 3, n, n).copy_(product[:, :, :, :3].transpose(2, 3))
    position = product[:, :, :, 3]
    position = position - position.diagonal(dim1=-2, dim2=-1)[..., None]
    distance = position.square().sum(1, keepdim=True).sqrt()
    direction = (position / (distance + 0.05)).permute(0, 2, 3, 1)
    harmonics = o3.spherical_harmonics([1, 2], direction, normalize=False, normalization="norm")
    out[:, 9:17] = harmonics.permute(0, 3, 1, 2)
    centres = torch.linspace(0.2, 2.3, 16, dtype=x.dtype, device=x.device)[:, None, None]
    bumps = out[:, 17:]
    torch.sub(distance.clamp(max=2.3), centres, out=bumps)
    bumps.mul_(3.3).square_().neg_().add_(1).clamp_(min=0).square_()
