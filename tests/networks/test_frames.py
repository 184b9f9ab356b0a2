"""What the features are: each number against its plain definition."""

import torch
from e3nn import o3

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.networks.frames import (
    LOCAL_FEATURES,
    NEIGHBOURS,
    PAIR_GEOMETRY,
    PAIR_OFFSETS,
    Frames,
    chain_neighbours,
    local_features,
    offset_features,
    offset_table,
    pair_features,
)
from tests.networks.trunks import random_state, sites_of

SITES = 7


def frames(seed: int = 0) -> Frames:
    state = random_state(1, SITES, seed=seed)
    return Frames(state["translations"], state["rotations"])


def encoded_offsets(sites) -> torch.Tensor:
    length = sites.present.shape[1]
    out = torch.empty(PAIR_OFFSETS, 1, length, length)
    offset_features(sites, offset_table(), out)
    return out[:, 0]


def test_pair_features_against_their_definition():
    f = frames()
    out = torch.empty(PAIR_GEOMETRY, 1, SITES, SITES, dtype=torch.float64)
    pair_features(f, out)
    out = out.transpose(0, 1)
    centres = torch.linspace(0.2, 2.3, 16, dtype=torch.float64)
    for i in range(SITES):
        for j in range(SITES):
            r, x = f.rotations[0, i], f.translations[0]
            torch.testing.assert_close(out[0, :9, i, j].view(3, 3), r.T @ f.rotations[0, j])
            seen = r.T @ (x[j] - x[i])
            distance = seen.norm()
            torch.testing.assert_close(out[0, 9:12, i, j], seen / (distance + 0.05), atol=1e-7, rtol=0)
            harmonics = o3.spherical_harmonics(2, seen / (distance + 0.05), normalize=False, normalization="norm")
            torch.testing.assert_close(out[0, 12:17, i, j], harmonics, atol=1e-7, rtol=0)
            bumps = (1 - (3.3 * (distance.clamp(max=2.3) - centres)) ** 2).clamp(min=0) ** 2
            torch.testing.assert_close(out[0, 17:, i, j], bumps, atol=1e-7, rtol=0)


def test_local_features_against_their_definition():
    f = frames()
    neighbours = torch.ones(1, SITES, len(NEIGHBOURS), dtype=torch.float64)
    features = local_features(f, neighbours)
    assert features.shape == (1, SITES, LOCAL_FEATURES)
    features = features.view(SITES, 13, len(NEIGHBOURS))
    for i in range(SITES):
        for m, k in enumerate(NEIGHBOURS):
            j, r = (i + k) % SITES, f.rotations[0, i]
            seen = r.T @ (f.translations[0, j] - f.translations[0, i])
            distance = (seen.square().sum() + 1e-5).sqrt()
            position = 2.6 * seen / (1 + distance / 1.5)
            expected = torch.cat([r.T @ f.rotations[0, j], position[:, None]], -1)
            torch.testing.assert_close(features[i, :, m], torch.cat([expected.flatten(), distance[None]]))


def test_neighbours_exist_within_a_chain_alone():
    """Row 0: two chains of four and three. Row 1: five residues and two of padding."""
    present = torch.ones(2, SITES, dtype=torch.bool)
    present[1, 5:] = False
    chain = torch.zeros(2, SITES, dtype=torch.int64)
    chain[0, 4:] = 1
    found = chain_neighbours(sites_of(present, chain))
    for row, limits in enumerate([[(0, 4), (4, 7)], [(0, 5)]]):
        for first, last in limits:
            for i in range(first, last):
                expected = [float(first <= i + k < last) for k in NEIGHBOURS]
                assert found[row, i].tolist() == expected


def test_neighbours_need_the_same_chain():
    """Also where the numbers of the second chain go on where the first one ended."""
    sites = sites_of(torch.ones(1, 4, dtype=torch.bool))
    two = sites.knowing({CHAIN: torch.tensor([[0, 0, 1, 1]])})
    assert chain_neighbours(two)[0].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]


def test_neighbours_need_consecutive_numbers():
    """A gap in the numbering of a chain, as in a motif, is not a bond."""
    sites = sites_of(torch.ones(1, 4, dtype=torch.bool))
    gap = sites.knowing({INDEX: torch.tensor([[0, 1, 7, 8]])})
    assert chain_neighbours(gap)[0].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]


def test_offsets_are_exact_near_by_and_interpolated_far_away():
    index = torch.tensor([[0, 1, 3, 20, 100]])
    sites = sites_of(torch.ones(1, 5, dtype=torch.bool))
    sites = sites.knowing({INDEX: index})
    right = torch.tensor([1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64.0])
    knots = torch.cat([-right.flip(0), torch.zeros(1), right])
    encoded = encoded_offsets(sites)
    assert encoded.shape == (PAIR_OFFSETS, 5, 5)
    torch.testing.assert_close(encoded.sum(0), torch.ones(5, 5))
    read_back = (knots[:, None, None] * encoded).sum(0)
    torch.testing.assert_close(read_back, (index - index.T).clamp(-64, 64).float())
    assert encoded[:, 0, 1].tolist() == (knots == 1).float().tolist()
    assert ((encoded > 0).sum(0) <= 2).all()


def test_other_chains_have_no_offset():
    chain = torch.tensor([[0, 0, 0, 1, 1, 1, 1]])
    encoded = encoded_offsets(sites_of(torch.ones(1, SITES, dtype=torch.bool), chain))
    assert (encoded[:, :3, 3:] == 0).all()
    assert (encoded[:, 3:, :3] == 0).all()
    assert (encoded[:, 3:, 3:].sum(0) == 1).all()
