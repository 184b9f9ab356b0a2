"""Batches: padding, and what is known of every residue."""

import dataclasses

import numpy as np
import pytest
import torch

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.protein.batch import collate, single_chain
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
