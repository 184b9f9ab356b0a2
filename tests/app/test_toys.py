"""The toy models of scripts/: trained by the project's own loop, and moved by every process."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "benchmarks"))

from toys import LINE, PLANE, generate, sliced_distance, train

from gm_multimodal.noise import SharedNoise


def test_sixty_steps_of_training_bring_every_process_nearer_to_the_data():
    """Nearer than the prior is; the same seed gives the same points."""
    toy = LINE
    network = train(toy, 60, rows=128, width=32)
    data = toy.draw(500, SharedNoise.keyed(1))
    prior = sliced_distance(torch.randn(500, toy.dim, generator=torch.Generator().manual_seed(0)), data)
    for process in toy.processes():
        x = generate(toy, process, network, 500, 20)
        assert x.isfinite().all()
        assert sliced_distance(x, data) < 0.8 * prior
        assert torch.equal(generate(toy, process, network, 500, 20), x)


def test_the_distance_is_that_of_a_shift():
    a = PLANE.draw(400, SharedNoise.keyed(1))
    assert sliced_distance(a, a) == 0
    shift = sliced_distance(a, a + torch.tensor([0.3, 0.0]))
    assert shift == pytest.approx(0.3 * 2 / torch.pi, rel=0.01)
    assert sliced_distance(a[:, :1], a[:, :1] + 0.3) == pytest.approx(0.3)
