"""A block of designs: arrays, units, confidence and trajectories, with a small random network."""

import dataclasses

import numpy as np
import torch

from gm_multimodal.protein.blueprint import blank
from gm_multimodal.protein.design import sample_block, staged
from gm_multimodal.protein.metrics.geometry import ca_ca_distances, peptide_bond_lengths
from gm_multimodal.sampling.grids import UniformGrid
from tests.networks.trunks import random_trunk
from tests.protein.products import protein_product

LENGTH, STEPS = 20, 3


def block(indices=(0, 1, 2), **settings):
    return sample_block(
        random_trunk(torch.float32),
        protein_product(remasking=2.0, order="purity"),
        indices=indices,
        seed=11,
        grid=UniformGrid(STEPS),
        device=torch.device("cpu"),
        **{"blueprints": [blank(LENGTH)] * len(indices), "ideal_bonds": True} | settings,
    )


def test_designs_are_complete_proteins():
    designs = block(indices=(4, 2, 9))
    assert [design.index for design in designs] == [4, 2, 9]
    for design in designs:
        assert design.backbone.coordinates.shape == (LENGTH, 4, 3)
        assert design.backbone.coordinates.dtype == np.float32
        assert np.isfinite(design.backbone.coordinates).all()
        assert design.backbone.tokens.shape == (LENGTH,)
        assert design.backbone.tokens.dtype == np.int64
        assert ((design.backbone.tokens >= 0) & (design.backbone.tokens < 20)).all()
        assert design.confidence.shape == (LENGTH,)
        assert ((design.confidence > 0) & (design.confidence <= 1)).all()
        assert design.trajectory is None


def test_coordinates_are_in_angstrom_and_centred():
    for design in block():
        n, ca, c, o = (design.backbone.coordinates[:, k] for k in range(4))
        assert np.abs(ca.mean(0)).max() < 1e-4
        for a, b, bond in ((n, ca, 1.46), (ca, c, 1.526), (c, o, 1.231)):
            np.testing.assert_allclose(np.linalg.norm(a - b, axis=-1), bond, atol=2e-3)
        assert ca_ca_distances(design.backbone.coordinates).mean() > 2  # a random network still spreads over nanometres


def test_a_design_is_the_same_in_any_block_of_its_size():
    first, second = block(indices=(0, 1, 2))[1], block(indices=(7, 3, 1))[2]
    assert first.index == second.index == 1
    for name in ("coordinates", "tokens"):
        assert getattr(first.backbone, name).tobytes() == getattr(second.backbone, name).tobytes()
    assert first.confidence.tobytes() == second.confidence.tobytes()


def test_another_seed_is_another_protein():
    given = {"blueprints": [blank(LENGTH)], "indices": (0,), "ideal_bonds": True}
    settings = {**given, "grid": UniformGrid(1), "device": torch.device("cpu")}
    one, other = (sample_block(random_trunk(torch.float32), protein_product(), seed=s, **settings)[0] for s in (1, 2))
    assert not np.allclose(one.backbone.coordinates, other.backbone.coordinates)


def test_trajectories_lead_from_noise_to_the_design():
    for design, plain in zip(block(record_trajectory=True), block(), strict=True):
        way = design.trajectory
        assert len(way) == STEPS + 1
        assert way[-1] is design.backbone
        assert (way[0].tokens == 20).all()
        np.testing.assert_array_equal(plain.backbone.coordinates, design.backbone.coordinates)
        for step in way:
            assert step.coordinates.shape == (LENGTH, 4, 3)
            assert step.coordinates.dtype == np.float32
            assert step.tokens.shape == (LENGTH,)
            assert np.abs(step.coordinates[:, 1].mean(0)).max() < 1e-4


def test_progress_is_called_once_a_step():
    calls = []
    block(progress=lambda: calls.append(1))
    assert len(calls) == STEPS


def test_a_cold_sequence_takes_the_likeliest_residues():
    """In one step from nothing every site is drawn at once; at temperature T what lies 30 T below the best is e^-30."""
    temperature = 1e-3
    trunk, seen = random_trunk(torch.float32), []

    def spy(state, times, context, previous):
        seen.append(trunk(state, times, context, previous))
        return seen[-1]

    product = protein_product(temperature=temperature)
    settings = {
        "blueprints": [blank(LENGTH)] * 2,
        "indices": (0, 1),
        "seed": 0,
        "grid": UniformGrid(1),
        "device": torch.device("cpu"),
        "ideal_bonds": True,
    }
    designs = sample_block(spy, product, **settings)
    for row, design in enumerate(designs):
        log_probabilities = seen[0]["sequence"][row].log_softmax(-1)
        chosen = log_probabilities.gather(-1, torch.from_numpy(design.backbone.tokens)[:, None]).squeeze(-1)
        assert (chosen > log_probabilities.amax(-1) - 30 * temperature).all()
        np.testing.assert_allclose(design.confidence, chosen.exp().numpy(), atol=1e-6)


def test_chains_of_unequal_length_stand_side_by_side():
    designs = block(indices=(0, 1, 2), blueprints=[blank(LENGTH), blank(31), blank(24)])
    assert [design.backbone.coordinates.shape[0] for design in designs] == [20, 31, 24]
    for design in designs:
        assert np.abs(design.backbone.coordinates[:, 1].mean(0)).max() < 1e-4
        assert ((design.backbone.tokens >= 0) & (design.backbone.tokens < 20)).all()
        assert design.chosen.all()


def test_a_given_part_stays_in_the_frame_of_the_input():
    (source,) = block(indices=(5,), blueprints=[blank(LENGTH)])
    given = np.arange(LENGTH) < 8
    far = source.backbone.coordinates + np.array([80.0, -30.0, 12.5], dtype=np.float32)
    moved = dataclasses.replace(source.backbone, coordinates=far)
    blueprint = dataclasses.replace(blank(LENGTH), backbone=moved, structure_given=given, sequence_given=given)
    (design,) = block(indices=(0,), blueprints=[blueprint], record_trajectory=True)
    assert (design.backbone.coordinates[:8] == far[:8]).all()
    assert (design.backbone.tokens[:8] == source.backbone.tokens[:8]).all()
    assert all((step.coordinates[:8] == far[:8]).all() for step in design.trajectory)
    assert (design.chosen == ~given).all()
    assert np.linalg.norm(design.backbone.coordinates[8:, 1] - far[:8, 1].mean(0), axis=-1).mean() < 60


def test_the_last_motion_mends_bonds_of_what_is_designed_and_leaves_the_rest():
    (source,) = block(indices=(5,), blueprints=[blank(LENGTH)])
    given = np.arange(LENGTH) < 8
    blueprint = dataclasses.replace(
        blank(LENGTH), backbone=source.backbone, structure_given=given, sequence_given=given
    )
    (plain,), (mended,) = (block(indices=(0,), blueprints=[blueprint], ideal_bonds=ideal) for ideal in (False, True))
    before, after = (np.abs(peptide_bond_lengths(d.backbone.coordinates) - 1.33).mean() for d in (plain, mended))
    assert after < before
    np.testing.assert_array_equal(mended.backbone.coordinates[given], source.backbone.coordinates[given])
    np.testing.assert_array_equal(mended.backbone.tokens, plain.backbone.tokens)


def test_a_structure_can_arrive_before_its_sequence_is_chosen():
    """Ten equal steps: structure in the first five, sequence in the last four; nothing moves outside its window."""
    product = staged(protein_product(), structure_end=0.5, sequence_start=0.6)
    network = random_trunk(torch.float32)
    (design,) = sample_block(
        network,
        product,
        blueprints=[blank(LENGTH)],
        indices=[0],
        seed=3,
        grid=UniformGrid(10),
        device=torch.device("cpu"),
        ideal_bonds=False,
        record_trajectory=True,
    )
    x, tokens = (np.stack([getattr(step, name) for step in design.trajectory]) for name in ("coordinates", "tokens"))
    moves = np.abs(np.diff(x, axis=0)).max((1, 2, 3))
    assert (moves[:5] > 1e-2).all()
    assert (moves[5:] < 1e-4).all()
    assert (tokens[:7] == 20).all()
    assert (tokens[7:-1] < 20).any()
    assert (tokens[-1] < 20).all()


def test_a_structure_and_a_sequence_that_take_the_whole_run_are_as_before():
    product = protein_product(remasking=2.0, order="purity")
    whole = staged(product, structure_end=1.0, sequence_start=0.0)
    for factor, same in zip(product.values(), whole.values(), strict=True):
        t = torch.linspace(0, 1, 51, dtype=torch.float64)
        assert torch.equal(factor.clock(t), same.clock(t))
