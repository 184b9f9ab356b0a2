"""Conditions: labels of the data, and the random part of them that training tells."""

import numpy as np
import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.protein.batch import ProteinBatch, residue_sites
from gm_multimodal.protein.conditions import INTERFACE, SECONDARY, interface, random_conditions, true_conditions

# Helix, strand and coil as the dataset writes them; 3 is unknown.
SEGMENTS = [(0, 12), (2, 5), (1, 6), (2, 3), (1, 6), (3, 8)]
LENGTH = sum(size for _, size in SEGMENTS)


def rows_of(count: int, chain: torch.Tensor | None = None, padding: int = 4) -> ProteinBatch:
    """Equal rows, one residue every 0.38 nm, the last sites padding."""
    codes = torch.cat([torch.full((size,), code) for code, size in SEGMENTS])
    secondary = torch.full((count, LENGTH + padding), 3)
    secondary[:, :LENGTH] = codes
    present = torch.arange(LENGTH + padding).expand(count, -1) < LENGTH
    x = torch.zeros(count, LENGTH + padding, 3)
    x[..., 0] = 0.38 * torch.arange(LENGTH + padding)
    chain = torch.zeros_like(secondary) if chain is None else chain.expand(count, -1)
    index = torch.arange(LENGTH + padding).expand(count, -1)
    return ProteinBatch({"translations": x}, residue_sites(present, index, chain), secondary)


def two_chains(first: int = 20, padding: int = 4) -> torch.Tensor:
    """Chain 0, chain 1, and chain 0 in the padding, as `collate` writes it."""
    chain = torch.zeros(LENGTH + padding, dtype=torch.int64)
    chain[first:LENGTH] = 1
    return chain


def test_labels_say_what_the_dataset_says():
    told = true_conditions(rows_of(1))[SECONDARY][0]
    expected = np.repeat([(code + 1) % 4 for code, _ in SEGMENTS], [size for _, size in SEGMENTS])
    assert told[:LENGTH].tolist() == expected.tolist()
    assert (told[LENGTH:] == 0).all()


def test_an_interface_is_what_is_within_eight_angstrom_of_another_chain():
    """Residues 0.38 nm apart on a line: two on each side of the border are nearer than 0.8 nm."""
    batch = rows_of(1, two_chains())
    told = true_conditions(batch)[INTERFACE][0]
    assert (told == 1).nonzero().flatten().tolist() == [18, 19, 20, 21]
    assert (told[:LENGTH] > 0).all()
    assert (told[LENGTH:] == 0).all()


def test_a_single_chain_says_nothing_of_interfaces():
    batch = rows_of(1)
    assert (true_conditions(batch)[INTERFACE] == 0).all()


def test_padding_is_at_no_interface():
    """Padding lies wherever it lies, here on a residue of the other chain."""
    x = torch.zeros(1, 3, 3)
    x[0, 1] = 5.0
    chain, present = torch.tensor([[0, 1, 1]]), torch.tensor([[True, True, False]])
    assert interface(x, chain, present).tolist() == [[2, 2, 0]]


ROWS = 4000


@pytest.fixture(scope="module")
def drawn() -> torch.Tensor:
    """Secondary structure as told in 4,000 rows, without padding."""
    return random_conditions(rows_of(ROWS), SharedNoise.keyed(0))[SECONDARY][:, :LENGTH]


def test_half_of_the_rows_are_told_nothing_and_an_eighth_everything(drawn):
    """Of the rows that are told a share, one in five hides all four long segments by chance, and one in five none.

    The share p is uniform, and E p^4 = 1/5. Standard error .008.
    """
    core = torch.ones(LENGTH, dtype=torch.bool)
    borders = np.cumsum([size for _, size in SEGMENTS])[:-1]
    for border in borders:
        core[max(0, border - 2) : border + 2] = False
    core &= true_conditions(rows_of(1))[SECONDARY][0, :LENGTH] > 0
    # The coil of three residues may vanish under its neighbours: nothing of it is sure.
    share = (drawn[:, core] > 0).float().mean(1)
    by_segments = 0.5 * 0.75
    assert float((share == 0).float().mean()) == pytest.approx(0.5 + by_segments / 5, abs=0.025)
    assert float((share == 1).float().mean()) == pytest.approx(0.5 * 0.25 + by_segments / 5, abs=0.025)


def test_what_is_told_is_true_up_to_two_residues(drawn):
    """Every told state stands in the data at most two places away, and ends do move."""
    labels = true_conditions(rows_of(1))[SECONDARY][0, :LENGTH]
    padded = torch.nn.functional.pad(labels, (2, 2), value=-1)
    near = torch.stack([padded[k : k + LENGTH] for k in range(5)])
    is_true = (drawn[None] == near[:, None]).any(0) | (drawn == 0)
    assert is_true.all()
    differs = ((drawn != labels) & (drawn > 0)).any(0)
    assert differs[10:14].all()  # around the end of the first helix, at 12
    assert not differs[:10].any()


def test_segments_are_told_as_wholes(drawn):
    """The first helix, of twelve residues, is told up to its uncertain end or not at all."""
    first = (drawn[:, :10] > 0).float().mean(1)
    assert set(first.unique().tolist()) == {0.0, 1.0}


def test_ends_do_not_move_into_another_chain():
    """One helix and one strand, a chain each: the border between them is sure."""
    batch = rows_of(ROWS, two_chains(first=12))
    told = random_conditions(batch, SharedNoise.keyed(1))[SECONDARY]
    assert set(told[:, :12].unique().tolist()) == {0, 1}
    assert 1 not in told[:, 12:17].unique().tolist()


def test_nothing_is_told_of_padding_and_of_what_is_not_known():
    batch = rows_of(ROWS, two_chains())
    told = random_conditions(batch, SharedNoise.keyed(2))
    assert set(told) == {SECONDARY, INTERFACE}
    for states in told.values():
        assert (states[:, LENGTH:] == 0).all()
        assert (states > 0).any()
    unlabelled = ProteinBatch(batch.state, batch.sites, torch.full_like(batch.secondary, 3))
    assert (random_conditions(unlabelled, SharedNoise.keyed(2))[SECONDARY] == 0).all()


def test_conditions_are_dropped_independently():
    told = random_conditions(rows_of(ROWS, two_chains()), SharedNoise.keyed(3))
    known = torch.stack([(states > 0).any(1) for states in told.values()]).float()
    assert abs(float(torch.corrcoef(known)[0, 1])) < 0.06  # four standard errors
