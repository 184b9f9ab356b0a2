"""The processes are exact on images with a joint posterior, and a posterior per pixel costs spread."""

import pytest
import torch

from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition
from scripts.benchmarks import image_oracle as oracle

SAMPLES, STEPS = 1000, 10
PARTS = Flow(oracle.PATH, marginal="sample"), Jump(oracle.PATH)
PROCESSES = {"flow": PARTS[0], "jump": PARTS[1], "superposition": Superposition(PARTS, (0.5, 0.5))}
DEVIATION = (2 / SAMPLES / oracle.COMPONENTS) ** 0.5  # of the spread, for normal laws along every component


@pytest.mark.parametrize("name", PROCESSES)
def test_ten_steps_with_the_joint_posterior_are_exact(name):
    states = oracle.simulate(PROCESSES[name], True, SAMPLES, STEPS, seed=0)
    counts = oracle.frequencies(states[-1])
    assert int(counts.sum()) == SAMPLES, "a sample that is none of the images"
    assert oracle.chi_square(counts)[1] > 1e-3
    means, deviations = oracle.independent(0.5, SAMPLES)
    found = [*oracle.variations(states[STEPS // 2], 0.5), oracle.lost_spread(states[STEPS // 2], 0.5)]
    for value, mean, deviation in zip(found, means, deviations, strict=True):
        assert abs(value - mean) < 4 * deviation


@pytest.mark.parametrize("name", PROCESSES)
def test_a_posterior_per_pixel_loses_spread_in_proportion_to_the_step(name):
    lost = []
    for steps in (6, 24):
        state = oracle.simulate(PROCESSES[name], False, SAMPLES, steps, seed=0)[steps // 2]
        lost.append(oracle.lost_spread(state, 0.5))
    assert lost[0] > 5 * DEVIATION
    assert lost[1] == pytest.approx(lost[0] / 4, abs=3 * DEVIATION)


def test_the_chi_square_law_is_that_of_uniform_draws():
    """Its p-values are uniform: of 200 with mean 1/2 and deviation 1/sqrt(12), the mean is within 4 deviations."""
    rng = torch.Generator().manual_seed(0)
    draws = torch.randint(oracle.K, (200, 5000), generator=rng)
    values = [oracle.chi_square(torch.bincount(row, minlength=oracle.K).double())[1] for row in draws]
    assert sum(values) / len(values) == pytest.approx(0.5, abs=4 / (12 * 200) ** 0.5)
