"""Hydrogen bonds of batches: the bonds of DSSP, and a loss that pulls a backbone towards them."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from gm_multimodal.objective import Matching
from gm_multimodal.parameterizations.endpoint import EndpointPrediction
from gm_multimodal.product import Known
from gm_multimodal.protein.auxiliary import LONG_RANGE_WEIGHT, BackboneLosses
from gm_multimodal.protein.batch import bonded_sites, collate
from gm_multimodal.protein.bonding import bond_distances, find_bonds
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.frames import backbone_from_frames, ideal_atoms
from gm_multimodal.protein.metrics.hydrogen_bonds import hydrogen_bonds
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations, rotation_exp


@pytest.fixture(scope="module")
def chains(small_dataset):
    return read_chains(small_dataset, split="train", min_length=40, max_length=70)


@pytest.fixture
def batch(chains):
    return collate(chains, list(range(6)))


def bonds_of(batch):
    atoms = ideal_atoms(batch.state["translations"], batch.state["rotations"])
    return find_bonds(atoms, batch.state["sequence"], bonded_sites(batch.sites))


def loss(batch, x, r, t: float = 0.6) -> torch.Tensor:
    """The hydrogen-bond loss alone of the guess (x, r)."""
    nothing = torch.zeros_like(batch.sites.present)
    known = Known(batch.state, dict.fromkeys(batch.state, nothing), batch.sites)
    predictions = {
        "translations": EndpointPrediction(Euclidean(3), x, x),
        "rotations": EndpointPrediction(Rotations(), r, r),
    }
    times = known.times({name: torch.full(batch.sites.present.shape, t) for name in predictions})
    return BackboneLosses()(Matching({}, torch.zeros(()), predictions, {}, times), known)["hydrogen_bonds"]


def test_the_bonds_are_those_of_dssp(chains, batch):
    """Atoms are placed in both cases from frames; what DSSP sees beyond the last C=O of a piece is not there."""
    bonds, total = bonds_of(batch), 0
    for row in range(6):
        length = int(chains.lengths[row])
        x, r = (batch.state[name][row, :length] for name in ("translations", "rotations"))
        atoms = backbone_from_frames(x, r).numpy()
        backbone = chains.rows[row].backbone
        expected = hydrogen_bonds(atoms, backbone.tokens, backbone.is_bonded)
        expected[np.append(~backbone.is_bonded, True)] = False
        found = np.zeros_like(expected)
        here = bonds.row == row
        found[bonds.acceptor[here], bonds.donor[here]] = True
        assert np.array_equal(found, expected)
        total += expected.sum()
    assert total > 100


def test_prolines_breaks_and_padding_give_no_bonds(batch):
    everything = bonds_of(batch)
    assert batch.sites.present[everything.row, everything.donor].all()
    proline = {**batch.state, "sequence": torch.full_like(batch.state["sequence"], 12)}
    atoms = ideal_atoms(proline["translations"], proline["rotations"])
    bonded = bonded_sites(batch.sites)
    assert len(find_bonds(atoms, proline["sequence"], bonded).row) == 0
    parted = bonded & (torch.arange(bonded.shape[1]) != 19)
    broken = find_bonds(atoms, batch.state["sequence"], parted)
    assert not (broken.donor == 20).any() and not (broken.acceptor == 19).any()
    assert 0 < len(broken.row) < len(everything.row)


def test_the_truth_costs_nothing_and_a_rigid_motion_neither(batch):
    x, r = batch.state["translations"], batch.state["rotations"]
    turn = rotation_exp(torch.tensor([0.4, -1.0, 0.3]))
    assert float(loss(batch, x, r)) == pytest.approx(0, abs=1e-9)
    assert float(loss(batch, x @ turn.T + 0.7, turn @ r)) == pytest.approx(0, abs=1e-6)


def test_the_gradient_closes_a_bond_that_was_pulled_apart(batch):
    """Every donor is moved away from its acceptor: down the gradient the distances O-H come nearer to the truth."""
    x, r = batch.state["translations"], batch.state["rotations"]
    rng = torch.Generator().manual_seed(0)
    moved = (x + 0.1 * torch.randn(x.shape, generator=rng)).requires_grad_()
    turned = rotation_exp(0.3 * torch.randn(x.shape, generator=rng))
    turns = torch.zeros_like(x, requires_grad=True)
    cost = loss(batch, moved, r @ turned @ rotation_exp(turns))
    by_x, by_r = torch.autograd.grad(cost, [moved, turns])
    bonds = bonds_of(batch)

    def error(step: float) -> float:
        frames = moved.detach() - step * by_x, r @ turned @ rotation_exp(-step * by_r)
        return float((bond_distances(ideal_atoms(*frames), bonds) - bonds.distances).square().mean())

    assert error(0.5) < 0.9 * error(0.0)
    slope = (float(loss(batch, moved.detach() - 1e-3 * by_x, r @ turned)) - float(cost)) / 1e-3
    assert slope == pytest.approx(-float(by_x.square().sum()), rel=0.05)


def test_bonds_between_distant_residues_count_more(batch):
    bonds = bonds_of(batch)
    assert bonds.is_long_range.any() and not bonds.is_long_range.all()
    assert torch.equal(bonds.is_long_range, (bonds.acceptor - bonds.donor).abs() > 5)
    x, r = batch.state["translations"], batch.state["rotations"]
    rng = torch.Generator().manual_seed(0)
    guess = x + 0.05 * torch.randn(x.shape, generator=rng)
    error = (bond_distances(ideal_atoms(guess, r), bonds) - bonds.distances).square().sum(-1)
    importance = 1 + (LONG_RANGE_WEIGHT - 1) * bonds.is_long_range
    rows = [
        (importance * error)[bonds.row == row].sum() / importance[bonds.row == row].sum() for row in bonds.row.unique()
    ]
    expected = sum(map(float, rows)) / len(batch.sites.present) / 0.4**2
    assert float(loss(batch, guess, r)) == pytest.approx(expected, rel=1e-4)
    assert not math.isclose(expected, float(error.mean()) / 0.4**2, rel_tol=0.01)


def test_a_batch_without_bonds_costs_nothing(batch):
    state = {**batch.state, "sequence": torch.full_like(batch.state["sequence"], 12)}
    x = batch.state["translations"].clone().requires_grad_()
    cost = loss(dataclasses.replace(batch, state=state), x + 0.1, batch.state["rotations"])
    cost.backward()
    assert float(cost.detach()) == 0
    assert x.grad.isfinite().all()
