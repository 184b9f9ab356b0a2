"""Batches: padding, contexts, and length buckets that show every cluster once an epoch."""

import dataclasses

import numpy as np
import pytest
import torch

from gm_multimodal.networks.frames import CHAIN, INDEX
from gm_multimodal.protein.batch import PAIRS_PER_RESIDUE, LengthBuckets, Replay, Share, collate, single_chain
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY, Chains, Row
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.frames import backbone_from_frames
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.soft_targets import Pattern, from_levels, to_levels


@pytest.fixture(scope="module")
def chains(small_dataset):
    return read_chains(small_dataset, split=None, min_length=20, max_length=200)


def test_a_batch_holds_its_chains_in_the_order_asked_for(chains):
    indices = [4, 0, 9]
    batch = collate(chains, indices)
    assert batch.sites.present.sum(-1).tolist() == [len(chains.rows[i].backbone.tokens) for i in indices]
    for row, i in enumerate(indices):
        n = len(chains.rows[i].backbone.tokens)
        assert (batch.state["sequence"][row, :n].numpy() == chains.rows[i].backbone.tokens).all()
        back = backbone_from_frames(batch.state["translations"][row, :n], batch.state["rotations"][row, :n])
        assert np.abs(back[:, 1].numpy() - chains.rows[i].backbone.coordinates[:, 1]).max() < 1e-3
        assert np.linalg.norm(back.numpy()[:-1] - chains.rows[i].backbone.coordinates[:-1], axis=-1).mean() < 0.1


def test_padding_is_harmless(chains):
    """Rotations stay rotations, letters stay letters, and everything is finite."""
    order = np.argsort(chains.lengths)
    batch = collate(chains, [int(order[0]), int(order[-1])])
    gap = ~batch.sites.present
    assert gap[0].any()
    assert not gap[1].any()
    assert torch.equal(batch.state["rotations"][gap], torch.eye(3).expand(int(gap.sum()), 3, 3))
    assert (batch.state["translations"][gap] == 0).all()
    assert batch.state["sequence"].max() < 20
    assert batch.sites[INDEX][0].tolist() == list(range(batch.sites[INDEX].shape[1]))


def test_a_batch_moves_with_everything_in_it(chains):
    levels = to_levels(np.random.default_rng(0).dirichlet(np.ones(20), len(chains.rows[0])))
    pattern = Pattern(np.full(len(chains.rows[0]), MASK), levels)
    taught = Chains([dataclasses.replace(chains.rows[0], patterns=(pattern,))])
    batch = collate(taught, [0]).to(torch.device("meta"), non_blocking=True)
    everything = [*batch.state.values(), batch.sites.present, batch.sites[INDEX], batch.sites[CHAIN]]
    everything += [batch.secondary, batch.soft.exists, batch.soft.context, batch.soft.law]
    assert {x.device.type for x in everything} == {"meta"}


def test_one_chain_is_numbered_from_zero():
    sites = single_chain(torch.ones(2, 3, dtype=torch.bool))
    assert sites[INDEX].tolist() == [[0, 1, 2]] * 2
    assert sites[CHAIN].tolist() == [[0, 0, 0]] * 2


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


@pytest.mark.parametrize(("processes", "accumulated"), [(2, 1), (3, 1), (7, 1), (2, 3)])
def test_processes_take_equally_many_batches_and_together_all_of_them(processes, accumulated):
    whole = buckets().epoch(2)
    shares = [Share(rank, processes, accumulated).of(whole) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert len(shares[0]) % accumulated == 0
    assert {tuple(batch) for share in shares for batch in share} == {tuple(batch) for batch in whole}
    # the fewest repeats that make whole steps
    assert sum(map(len, shares)) - len(whole) < processes * accumulated


@pytest.mark.parametrize("number", [1, 5, 17])
@pytest.mark.parametrize(("processes", "accumulated"), [(6, 1), (3, 2), (2, 3)])
def test_a_step_sees_the_same_batches_however_many_processes_share_it(number, processes, accumulated):
    batches = [[i] for i in range(number)]
    alone = Share(accumulated=6).of(batches)
    shares = [Share(rank, processes, accumulated) for rank in range(processes)]
    together = {share.place(k): batch for share in shares for k, batch in enumerate(share.of(batches))}
    assert [together[place] for place in sorted(together)] == alone
    # Places within a step are numbers 0 to 5, the keys of the noise.
    assert sorted(share.place(k % accumulated) for share in shares for k in range(accumulated)) == list(range(6))


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


def test_places_along_the_chain_come_from_the_dataset(small_dataset):
    chains = read_chains(small_dataset, split="validation", min_length=1, max_length=1000)

    def jumping(row: Row) -> Row:
        place = row.backbone.position
        return dataclasses.replace(row, backbone=dataclasses.replace(row.backbone, position=place + 10 * (place > 5)))

    gapped = Chains([jumping(row) for row in chains.rows])
    plain, jumped = collate(chains, [0, 1]).sites, collate(gapped, [0, 1]).sites
    assert plain[INDEX].tolist() == [list(range(plain[INDEX].shape[1]))] * 2
    for row in range(2):
        present = plain.present[row]
        index = plain[INDEX][row][present]
        assert torch.equal(jumped[INDEX][row][present], index + 10 * (index > 5))


def test_chains_of_a_row_and_their_secondary_structure_come_from_the_dataset(small_dataset):
    chains = read_chains(small_dataset, split="validation", min_length=1, max_length=1000)

    def parted(row: Row) -> Row:
        chain = (np.arange(len(row)) > 9).astype(np.int64)
        return dataclasses.replace(row, backbone=dataclasses.replace(row.backbone, chain=chain))

    two = [parted(row) for row in chains.rows[:2]]
    batch = collate(Chains(two), [1, 0])
    for padded, row in zip(range(2), two[::-1], strict=True):
        present = batch.sites.present[padded]
        assert batch.sites[CHAIN][padded][present].tolist() == row.backbone.chain.tolist()
        assert batch.secondary[padded][present].tolist() == row.secondary.tolist()
    assert set(batch.secondary[~batch.sites.present].tolist()) <= {UNKNOWN_SECONDARY}


def test_patterns_of_a_row_stand_at_its_hidden_residues(chains):
    rng, rows = np.random.default_rng(0), list(chains.rows[:3])
    size = len(rows[1])
    context = np.where(rng.random(size) < 0.5, MASK, rng.integers(0, 20, size))
    levels = to_levels(rng.dirichlet(np.ones(20), int((context == MASK).sum())))
    rows[1] = dataclasses.replace(rows[1], patterns=(Pattern(context, levels),))
    soft = collate(Chains(rows), [0, 1, 2]).soft
    assert soft.exists.tolist() == [[False], [True], [False]]
    assert (soft.context[1, 0, :size].numpy() == context).all()
    np.testing.assert_array_equal(soft.law[1, 0, :size][context == MASK].numpy(), from_levels(levels))
    assert collate(chains, [0, 1]).soft is None
