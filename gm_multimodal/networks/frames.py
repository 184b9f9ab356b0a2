"""Rigid frames and their invariant features: everything the trunk knows of geometry passes through here.

A frame maps local to global coordinates, y = R u + x. Lengths are in nm. Every feature is a function of relative
frames T_i^{-1} T_j alone, so that it does not change when all frames are moved together.
"""

from dataclasses import dataclass
from typing import final

import torch
from e3nn import o3
from torch import Tensor
from torch.nn import functional

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.networks.layers import in_full_precision
from gm_multimodal.sites import Sites

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


def chain_neighbours(sites: Sites) -> Tensor:
    """Return which of the NEIGHBOURS exist: present, in the same chain, at that offset; [B, N, 4] as 0.0 or 1.0."""
    index, chain, exists = sites[INDEX], sites[CHAIN], []
    for k in NEIGHBOURS:
        same_chain, distance = chain.roll(-k, 1) == chain, index.roll(-k, 1) - index
        exists.append((distance == k) & same_chain & sites.present.roll(-k, 1))
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


def offset_table() -> Tensor:
    """Return hat functions on _OFFSETS at the integers -64 ... 64, then zeros for other chains, [PAIR_OFFSETS, 130]."""
    knots = torch.tensor(_OFFSETS, dtype=torch.float32)
    at = torch.arange(_OFFSETS[0], _OFFSETS[-1] + 1, dtype=torch.float32)
    left = torch.cat([knots[:1] - 1, knots[:-1]])
    right = torch.cat([knots[1:], knots[-1:] + 1])
    rise = (at - left[:, None]) / (knots - left)[:, None]
    fall = (right[:, None] - at) / (right - knots)[:, None]
    return functional.pad(torch.minimum(rise, fall).clamp(min=0), (0, 1))


@torch.no_grad()
def offset_features(sites: Sites, table: Tensor, out: Tensor) -> None:
    """Encode the position of j relative to i along the chain; written to `out` [PAIR_OFFSETS, B, N, N] in place.

    Piecewise linear in the offset: exact for neighbours, coarse far away; all zero between different chains.
    """
    first, last = _OFFSETS[0], _OFFSETS[-1]
    index, chain = sites[INDEX], sites[CHAIN]
    column = (index[:, None, :] - index[:, :, None]).clamp(first, last) - first
    column = torch.where(chain[:, None, :] == chain[:, :, None], column, table.shape[1] - 1)
    torch.index_select(table, 1, column.flatten(), out=out.view(out.shape[0], -1))


@torch.no_grad()
@in_full_precision
def pair_features(frames: Frames, out: Tensor) -> None:
    """Describe frame j as seen from frame i; written to `out` [PAIR_GEOMETRY, B, N, N] in place.

    Relative rotation (9 numbers, the l = 1 Wigner matrix), spherical harmonics of l = 1 and 2 of the softly normalised
    direction (8), and compact bumps of the distance between 0.2 and 2.3 nm (16). Constants for the gradient: frames at
    x_t are data, and fed-back frames are made without gradient. Features come first, so that each is written once,
    where the matrix product over all pairs reads it.
    """
    x = frames.translations - frames.translations.mean(1, keepdim=True)
    b, n, _ = x.shape
    axes = frames.rotations.permute(3, 0, 1, 2)  # [3 axes, B, N, 3]
    rows, columns = axes[:, None].expand(3, 3, b, n, 3), axes.expand(3, 3, b, n, 3)
    torch.bmm(rows.reshape(9 * b, n, 3), columns.reshape(9 * b, n, 3).mT, out=out[:9].view(9 * b, n, n))
    torch.bmm(axes.reshape(3 * b, n, 3), x.repeat(3, 1, 1).mT, out=out[9:12].view(3 * b, n, n))
    position, bumps = out[9:12], out[17:]
    position -= position.diagonal(dim1=-2, dim2=-1)[..., None].clone()
    u, v, w = position
    distance = (u * u).addcmul_(v, v).addcmul_(w, w).sqrt_()  # a norm over the first axis is slow
    torch.sub(distance.clamp(max=2.3), _centres(distance), out=bumps)
    bumps.mul_(3.3).square_().neg_().add_(1).clamp_(min=0).square_()
    position /= distance + 0.05  # the harmonics of l = 1 are the direction itself
    products = (position[:, None] * position).view(9, -1)
    torch.mm(_second_harmonics(position), products, out=out[12:17].view(5, -1))


def _second_harmonics(like: Tensor) -> Tensor:
    """Return the harmonics of l = 2, of norm one, as a linear map of the products u_i u_j; [5, 9].

    Clebsch-Gordan coefficients of e3nn: the polynomials of its `spherical_harmonics`, which wants the channels last.
    With that, for l = 1 and 2, these features take twice the CPU time, and a whole network call 5 % (8 x 100 residues)
    to 7 % (1 x 100) more.
    """
    return 7.5**0.5 * o3.wigner_3j(2, 1, 1, dtype=like.dtype, device=like.device).flatten(1)


def _centres(like: Tensor) -> Tensor:
    return torch.linspace(0.2, 2.3, 16, dtype=like.dtype, device=like.device)[:, None, None, None]
