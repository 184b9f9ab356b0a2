"""Length buckets that show every cluster once an epoch, and batches of another dataset among them."""

import numpy as np
import pytest

from gm_multimodal.protein.training.buckets import PAIRS_PER_RESIDUE, LengthBuckets, Replay


def buckets(residues: int = 300, seed: int = 0) -> LengthBuckets:
    rng = np.random.default_rng(1)
    return LengthBuckets(rng.integers(40, 129, 200), rng.integers(0, 60, 200), residues, seed)


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_an_epoch_has_one_member_of_every_cluster(epoch):
    b = buckets()
    members = [i for batch in b.epoch(epoch) for i in batch]
    assert sorted(b.clusters[members]) == sorted(set(b.clusters.tolist()))


def test_every_member_of_a_cluster_has_its_turn():
    b = buckets()
    seen = {i for epoch in range(60) for batch in b.epoch(epoch) for i in batch}
    assert len(seen) > 0.99 * len(b.lengths)


@pytest.mark.parametrize("residues", [129, 300, 700])
def test_batches_keep_within_the_residues_allowed(residues):
    b = buckets(residues=residues)
    batches = b.epoch(3)
    areas = [b.lengths[batch].max() * len(batch) for batch in batches]
    assert max(areas) <= residues
    shorter = [a + b.lengths[batch].max() for a, batch in zip(areas, batches, strict=True)]
    assert np.mean(np.array(shorter) > residues) > 0.8  # and most of them are full


def test_batches_of_long_chains_keep_within_the_pairs_allowed():
    rng = np.random.default_rng(1)
    b = LengthBuckets(rng.integers(100, 257, 300), np.arange(300), 2000, 0)
    sizes = {int(b.lengths[batch].max()): len(batch) for batch in b.epoch(0)}
    assert all(size * length**2 <= 2000 * PAIRS_PER_RESIDUE for length, size in sizes.items())
    assert all(size * length <= 2000 for length, size in sizes.items())
    full = [size for length, size in sizes.items() if length > 250]
    assert max(full) == 2000 * PAIRS_PER_RESIDUE // 256**2


def test_a_chain_that_is_too_long_forms_a_batch_alone():
    b = LengthBuckets(np.array([50, 400, 50]), np.array([0, 1, 2]), 100, 0)
    assert sorted(map(sorted, b.epoch(0))) == [[0, 2], [1]]


def test_chains_of_a_batch_have_similar_lengths():
    b = buckets(residues=700)
    batches = b.epoch(0)
    filled = sum(b.lengths[i] for batch in batches for i in batch)
    area = sum(b.lengths[batch].max() * len(batch) for batch in batches)
    assert filled / area > 0.9


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_replay_takes_its_share_of_the_batches(share):
    """300 epochs of 20 batches: a standard error of at most 0.0065."""
    own = buckets()
    other = LengthBuckets(np.full(30, 50), np.arange(30), 300, seed=0)
    epochs = [Replay(own, other, share).epoch(number) for number in range(300)]
    is_other = [[min(batch) >= len(own.lengths) for batch in batches] for batches in epochs]
    assert np.mean([drawn for batches in is_other for drawn in batches]) == pytest.approx(share, abs=0.025)
    for number, batches in enumerate(epochs):
        assert len(batches) == len(own.epoch(number))
        for batch, mine, drawn in zip(batches, own.epoch(number), is_other[number], strict=True):
            assert drawn or batch == mine
            assert not drawn or max(batch) < len(own.lengths) + 30
    assert Replay(own, other, share).epoch(7) == epochs[7]
    assert {i for batches in epochs for batch in batches for i in batch} > set(range(200, 230))


def test_epochs_and_seeds_differ_and_repeat():
    assert buckets().epoch(0) == buckets().epoch(0)
    assert buckets().epoch(0) != buckets().epoch(1)
    assert buckets().epoch(0) != buckets(seed=1).epoch(0)
