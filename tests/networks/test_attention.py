"""Augmented attention equals its definition, with the distances written out."""

import math

import pytest
import torch

from gm_multimodal.networks.attention import InvariantPointAttention
from gm_multimodal.networks.frames import Frames
from tests.networks.trunks import random_state

HEADS, POINTS, WIDTH, SITES = 2, 4, 16, 7


def attention() -> InvariantPointAttention:
    torch.manual_seed(0)
    layer = InvariantPointAttention(WIDTH, HEADS, head_width=32, points=POINTS).double()
    with torch.no_grad():
        layer.point_weight.add_(torch.tensor([0.4, -0.3]))
        layer.gather.weight.normal_()
    return layer.requires_grad_(False)


def reference(layer: InvariantPointAttention, sites, frames: Frames, bias):
    """Algorithm 22 in plain loops over heads: logits q.k / sqrt(c) - w sum_p |T_i q_p - T_j k_p|^2 + bias."""
    projected = layer.project(layer.norm(sites))[0]
    scalars, value_scalars = HEADS * layer.key_scalars, HEADS * layer.value_scalars
    q, k, v, points = projected.split([scalars, scalars, value_scalars, 9 * HEADS * POINTS], -1)
    points = points.view(SITES, 3, HEADS, 3, POINTS)  # site, coordinate, head, query/key/value, point
    x, r = frames.translations[0], frames.rotations[0]
    placed = torch.einsum("nij,njhap->nihpa", r, points) + x[:, :, None, None, None]
    columns = []
    for h in range(HEADS):
        chunk = slice(h * layer.key_scalars, (h + 1) * layer.key_scalars)
        value_chunk = slice(h * layer.value_scalars, (h + 1) * layer.value_scalars)
        weight = math.log1p(math.exp(layer.point_weight[h])) * 0.5 * math.sqrt(2 / (9 * POINTS))
        queries, keys, values = (placed[:, :, h, :, a] for a in range(3))  # [site, 3, point]
        square = (queries[:, None] - keys[None]).square().sum((-1, -2))
        logits = q[:, chunk] @ k[:, chunk].T / math.sqrt(layer.key_scalars) - weight * square + bias[0, h]
        shares = logits.softmax(-1)
        seen = torch.einsum("ij,jcp->icp", shares, values)
        local = torch.einsum("nji,njp->nip", r, seen - x[..., None])
        columns.append((shares @ v[:, value_chunk], local, (local.square().sum(1) + 1e-4).sqrt()))
    scalars, local, length = zip(*columns, strict=True)
    together = torch.cat([torch.cat(scalars, -1), torch.cat(local, -1).flatten(1), torch.cat(length, -1)], -1)
    return layer.gather(together)[None]


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_attention_equals_the_plain_definition(offset):
    state = random_state(1, SITES)
    frames = Frames(state["translations"] + offset, state["rotations"])
    rng = torch.Generator().manual_seed(1)
    sites = torch.randn(1, SITES, WIDTH, generator=rng, dtype=torch.float64)
    bias = torch.randn(1, HEADS, SITES, SITES, generator=rng, dtype=torch.float64)
    padding = torch.zeros(1, SITES, dtype=torch.float64)
    padding[:, -1] = -1e9
    layer = attention()
    expected = reference(layer, sites, frames, bias + padding[:, None, None])
    assert expected.std() > 0.1
    torch.testing.assert_close(layer(sites, frames, bias, padding), expected, atol=1e-10, rtol=0)


def test_attention_looks_at_what_is_near():
    """With scalars silenced and point weights turned up, a site at a distance of 5 nm gets nothing."""
    layer = attention()
    layer.project.weight.zero_()
    layer.project.bias.zero_()
    layer.point_weight.fill_(30.0)
    scalars = 2 * HEADS * layer.key_scalars
    layer.project.bias[scalars : scalars + 1] = 1.0  # one value that all sites share
    x = torch.zeros(1, SITES, 3, dtype=torch.float64)
    x[0, -1] = 5.0
    frames = Frames(x, torch.eye(3, dtype=torch.float64).expand(1, SITES, 3, 3))
    sites = torch.zeros(1, SITES, WIDTH, dtype=torch.float64)
    bias, padding = torch.zeros(1, HEADS, SITES, SITES, dtype=torch.float64), torch.zeros(1, SITES).double()
    near = layer(sites, frames, bias, padding)
    without = Frames(x[:, :-1], frames.rotations[:, :-1])
    alone = layer(sites[:, :-1], without, bias[..., :-1, :-1], padding[:, :-1])
    torch.testing.assert_close(near[:, :-1], alone, atol=1e-12, rtol=0)


def test_a_head_without_room_for_its_points_is_refused():
    with pytest.raises(ValueError, match="at least 14"):
        InvariantPointAttention(WIDTH, HEADS, head_width=13, points=4)
