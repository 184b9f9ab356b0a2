"""Attention to frames equals its definition, with the distances written out."""

import math

import pytest
import torch

from gm_multimodal.networks.frame_attention import FrameAttention
from gm_multimodal.networks.frames import Frames
from tests.networks.trunks import random_state

HEADS, WIDTH, SITES = 2, 16, 7


def attention() -> FrameAttention:
    torch.manual_seed(0)
    layer = FrameAttention(WIDTH, HEADS).double()
    with torch.no_grad():
        layer.point_weight.add_(torch.tensor([0.4, -0.3]))
        layer.gather.weight.normal_()
    return layer.requires_grad_(False)


def reference(layer: FrameAttention, sites, frames: Frames, bias):
    """Plain loops over heads: q.k / sqrt(c) - w |T_i p - x_j|^2 + bias; values T_i^{-1} T_j."""
    projected = layer.project(layer.norm(sites))[0].unflatten(-1, (HEADS, -1))
    x, r = frames.translations[0], frames.rotations[0]
    relative = torch.einsum("ika,jkb->ijab", r, r)  # R_i^T R_j
    position = torch.einsum("ika,ijk->ija", r, x - x[:, None])
    scalars, positions, axes, lengths = [], [], [], []
    for h in range(HEADS):
        sizes = [3, layer.key_scalars, layer.key_scalars, layer.value_scalars]
        p, q, k, v = projected[:, h].split(sizes, -1)
        square = (torch.einsum("iab,ib->ia", r, p)[:, None] + x[:, None] - x).square().sum(-1)
        weight = math.log1p(math.exp(layer.point_weight[h])) * math.sqrt(2 / 9)
        shares = (q @ k.T / math.sqrt(layer.key_scalars) - weight * square + bias[h]).softmax(-1)
        seen = torch.einsum("ij,ija->ia", shares, position)
        scalars.append(shares @ v)
        positions.append(seen)
        axes.append(torch.einsum("ij,ijab->iba", shares, relative).flatten(1))
        lengths.append((seen.square().sum(1, keepdim=True) + 1e-4).sqrt())
    return layer.gather(torch.cat(scalars + positions + axes + lengths, -1))[None]


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_attention_equals_the_plain_definition(offset):
    state = random_state(1, SITES)
    frames = Frames(state["translations"] + offset, state["rotations"])
    rng = torch.Generator().manual_seed(1)
    sites = torch.randn(1, SITES, WIDTH, generator=rng, dtype=torch.float64)
    bias = torch.randn(HEADS, SITES, SITES, generator=rng, dtype=torch.float64)
    padding = torch.zeros(1, SITES, dtype=torch.float64)
    padding[:, -1] = -1e9
    layer = attention()
    expected = reference(layer, sites, frames, bias + padding)
    assert expected.std() > 0.1
    torch.testing.assert_close(layer(sites, frames, bias, padding), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_products_in_bfloat16_stay_near_those_in_full_precision(offset):
    """Wherever the protein is: bfloat16 keeps three digits, of coordinates around the centroid alone."""
    state = random_state(1, SITES)
    exact = Frames(state["translations"] + offset, state["rotations"])
    rng = torch.Generator().manual_seed(1)
    sites = torch.randn(1, SITES, WIDTH, generator=rng, dtype=torch.float64)
    bias, padding = torch.zeros(HEADS, SITES, SITES, dtype=torch.float64), torch.zeros(1, SITES, dtype=torch.float64)
    layer = attention()
    full = layer(sites, exact, bias, padding)
    rounded = layer(sites, exact, bias.to(torch.bfloat16), padding)
    assert (rounded - full).abs().max() > 0
    assert (rounded - full).abs().mean() < 0.02 * full.abs().mean()
