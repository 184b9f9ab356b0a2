"""Auxiliary losses: nothing at the truth, something for every planted error, and only when they are on."""

import pytest
import torch

from gm_multimodal.objective import Matching
from gm_multimodal.parameterizations.endpoint import EndpointPrediction
from gm_multimodal.product import Known
from gm_multimodal.protein.auxiliary import BackboneLosses
from gm_multimodal.protein.batch import residue_sites, single_chain
from gm_multimodal.protein.frames import frames_from_backbone
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations

LENGTH = 12


@pytest.fixture
def helix(build_backbone):
    x, r = frames_from_backbone(torch.from_numpy(build_backbone(LENGTH, -57.0, -47.0)).float())
    return x - x.mean(0), r


def evaluate(helix, x=None, r=None, t: float = 0.5, mask=None, present=None, losses=None, sites=None):
    """The losses of two rows: the helix at the guess (x, r) beside the helix at the truth."""
    true_x, true_r = (v.expand(2, *v.shape) for v in helix)
    guess_x = torch.stack([true_x[0] if x is None else x, true_x[1]])
    guess_r = torch.stack([true_r[0] if r is None else r, true_r[1]])
    present = torch.ones(2, LENGTH, dtype=torch.bool) if present is None else present
    mask = torch.zeros(2, LENGTH, dtype=torch.bool) if mask is None else mask
    values = {"translations": true_x, "rotations": true_r, "sequence": torch.zeros(2, LENGTH, dtype=torch.int64)}
    known = Known(values, {"translations": mask, "rotations": mask}, sites or single_chain(present))
    predictions = {
        "translations": EndpointPrediction(Euclidean(3), guess_x, guess_x),
        "rotations": EndpointPrediction(Rotations(), guess_r, guess_r),
    }
    times = known.times({name: torch.full((2, LENGTH), t) for name in predictions})
    zero = torch.zeros(())
    losses = losses or BackboneLosses()
    parts = losses(Matching({}, zero, predictions, {}, times), known)
    return sum(losses.weights[name] * part for name, part in parts.items()), parts


def test_the_truth_costs_nothing(helix):
    total, parts = evaluate(helix)
    assert float(total) == pytest.approx(0, abs=1e-8)
    assert set(parts) == {"atoms", "bonded", "contacts", "clashes", "hydrogen_bonds"}


def test_a_rigid_motion_costs_positions_but_no_distances(helix):
    _, parts = evaluate(helix, x=helix[0] + 0.3)
    assert float(parts["atoms"]) == pytest.approx(3 * 3 * 0.3**2 / (1 - 0.5) ** 2 / 2, rel=1e-4)  # one row of two
    assert float(parts["bonded"]) == pytest.approx(0, abs=1e-8)
    assert float(parts["contacts"]) == pytest.approx(0, abs=1e-8)


def test_a_broken_bond_is_seen(helix):
    """All residues from the middle on moved by .2 nm."""
    x = helix[0].clone()
    x[LENGTH // 2 :] += 0.2
    _, parts = evaluate(helix, x=x)
    assert parts["bonded"] > 0.01
    assert parts["contacts"] > 0.001


@pytest.mark.parametrize("what", ["index", "chain"])
def test_nothing_is_bonded_across_a_break(helix, what):
    """Residues missing, or another chain, from the middle on: that part may stand anywhere."""
    present = torch.ones(2, LENGTH, dtype=torch.bool)
    number = torch.arange(LENGTH).expand(2, LENGTH)
    later = (number >= LENGTH // 2).long()
    sites = residue_sites(present, number + 5 * later * (what == "index"), later * (what == "chain"))
    x = helix[0].clone()
    x[LENGTH // 2 :] += 0.2
    assert float(evaluate(helix, x=x, sites=sites)[1]["bonded"]) == pytest.approx(0, abs=1e-8)
    x[-1] += 0.2
    assert evaluate(helix, x=x, sites=sites)[1]["bonded"] > 0.01


def test_a_turned_residue_is_seen_by_its_bonds(helix):
    turned = helix[1].clone()
    turned[5] = turned[5] @ torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    _, parts = evaluate(helix, r=turned)
    assert parts["bonded"] > 0.01
    assert float(parts["contacts"]) == pytest.approx(0, abs=1e-8)


def test_a_clash_is_seen_and_neighbours_are_not_clashes(helix):
    """Residue 11 put .1 nm from residue 0; residue 2 on top of 0 costs no clash."""
    x = helix[0].clone()
    x[11] = x[0] + torch.tensor([0.1, 0.0, 0.0])
    _, parts = evaluate(helix, x=x)
    # Pairs count in both orders; others near residue 0 may overlap with the moved one too.
    assert parts["clashes"] >= 0.99 * 2 * (0.37 - 0.1) ** 2 / LENGTH * 4 / 2
    near = helix[0].clone()
    near[2] = near[0] + torch.tensor([0.1, 0.0, 0.0])
    alone = evaluate(helix, x=near)[1]["clashes"]
    assert alone < 0.2 * parts["clashes"]


def test_weights_multiply_their_parts(helix):
    x = helix[0] * 0.6
    weights = {"atoms": 0.5, "bonded": 3.0, "contacts": 1.0, "clashes": 10.0, "hydrogen_bonds": 2.0}
    total, parts = evaluate(helix, x=x, losses=BackboneLosses(**weights))
    assert all(part > 0 for part in parts.values())
    expected = sum(weight * parts[name] for name, weight in weights.items())
    torch.testing.assert_close(total, expected)
    alone = evaluate(helix, x=x, losses=BackboneLosses(**dict.fromkeys(weights, 0.0) | {"atoms": 1.0}))[0]
    torch.testing.assert_close(alone, parts["atoms"])


@pytest.mark.parametrize(("t", "weight"), [(0.1, 0.0), (0.5, 4.0), (0.95, 100.0)])
def test_they_are_off_early_and_weighted_late(helix, t, weight):
    _, parts = evaluate(helix, x=helix[0] + 0.3, t=t)
    assert float(parts["atoms"]) == pytest.approx(weight * 9 * 0.3**2 / 2, rel=1e-3)


def test_what_is_given_entirely_costs_nothing(helix):
    mask = torch.zeros(2, LENGTH, dtype=torch.bool)
    mask[0] = True
    total, _ = evaluate(helix, x=helix[0] + 0.3, mask=mask)
    assert float(total) == pytest.approx(0, abs=1e-8)


def test_padding_costs_nothing(helix):
    """The last four residues of the guess are nonsense, but they are not there."""
    x, present = helix[0].clone(), torch.ones(2, LENGTH, dtype=torch.bool)
    x[-4:] = torch.linspace(0, 9, 12).view(4, 3)
    present[0, -4:] = False
    total, _ = evaluate(helix, x=x, present=present)
    assert float(total) == pytest.approx(0, abs=1e-8)


def test_gradients_are_finite_at_coincident_points(helix):
    x = torch.zeros(LENGTH, 3, requires_grad=True)
    total, _ = evaluate(helix, x=x)
    total.backward()
    assert x.grad.isfinite().all()
