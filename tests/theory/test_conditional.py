"""Given z, a process carries p_t(. | z) to p_{t'}(. | z), whatever the number of steps."""

from itertools import pairwise

import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.oracle import total_variation
from gm_multimodal.processes.ctmc import MaskingCTMC
from tests.theory.factors import CASES, LETTERS, MASKING, SO3

pytestmark = pytest.mark.theory

ROWS, SITES = 500, 20
N = ROWS * SITES
STEPS = pytest.mark.parametrize("steps", [1, 3, 20])


def simulate(case, z, end: float, steps: int, seed: int):
    """Walk from the prior to `end` in equal steps, certain of z all the way; [ROWS, SITES, *E]."""
    noise = SharedNoise.keyed(seed)
    x = case.space.prior((ROWS, SITES), noise)
    for t, t_next in pairwise(torch.linspace(0, end, steps + 1).tolist()):
        at, then = torch.full((ROWS, SITES), t), torch.full((ROWS, SITES), t_next)
        x = case.process.transition(x, at, then, case.point_mass(x, at, z), noise)
    return x


def direct(case, z, t: float, seed: int):
    noise = SharedNoise.keyed(seed)
    x0 = case.space.prior((ROWS, SITES), noise)
    return case.path.sample(x0, z, torch.full((ROWS, SITES), t), noise)


def statistics(case, x, z):
    """Numbers whose laws are compared, [N] each."""
    if case.factor == "sequence":
        return [x.flatten()]
    v = case.space.log(z, x).flatten(0, 1)
    return [v.norm(dim=-1), v[:, 0], v[:, 2]]


@STEPS
@pytest.mark.parametrize("t", [0.25, 0.6, 0.95])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_simulation_has_the_law_of_the_path(case, t, steps):
    """Total variation of histograms (40 bins, n = 10,000) within 1.5 x that of two direct samples of the path."""
    z = case.draw(1, torch.Generator().manual_seed(1)).expand(ROWS, SITES, *case.space.event_shape)
    simulated = statistics(case, simulate(case, z, t, steps, 2), z)
    references = [statistics(case, direct(case, z, t, seed), z) for seed in (3, 4, 5)]
    for sample, *others in zip(simulated, *references, strict=True):
        distance = sum(total_variation(sample, other) for other in others) / 3
        floor = sum(total_variation(others[i], others[i - 1]) for i in range(3)) / 3
        # Two or three values have a floor that is itself noisy: four standard errors of a share come on top.
        slack = 4 * (t * (1 - t) / N) ** 0.5 if case.factor == "sequence" else 0.0
        assert distance < 1.5 * floor + slack


@STEPS
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_simulation_ends_at_z(case, steps):
    z = case.draw(N, torch.Generator().manual_seed(6)).unflatten(0, (ROWS, SITES))
    torch.testing.assert_close(simulate(case, z, 1.0, steps, 7), z, atol=2e-3 / steps + 1e-5, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_step_of_no_length_moves_nothing(case):
    noise = SharedNoise.keyed(8)
    z = case.draw(N, torch.Generator().manual_seed(8)).unflatten(0, (ROWS, SITES))
    for t in (0.0, 0.4, 1.0):
        at = torch.full((ROWS, SITES), t)
        x = case.path.sample(case.space.prior((ROWS, SITES), noise), z, at, noise)
        assert torch.equal(case.process.transition(x, at, at, case.point_mass(x, 0.5 * at, z), noise), x)


def exact_step(eta: float):
    process = MaskingCTMC(MASKING, remasking=eta)

    def step(x, t, t_next, prediction, noise):
        return process.transition(x, torch.full(x.shape, t), torch.full(x.shape, t_next), prediction, noise)

    return step


def euler_step(eta: float):
    """One Euler step of the same chain: rates (1 + eta t)/(1 - t) down and eta up, frozen for the step."""

    def step(x, t, t_next, prediction, noise):
        h = t_next - t
        down = min(1.0, h * (1 + eta * t) / (1 - t))
        u, is_masked = noise.uniform(x.shape), x == LETTERS.mask
        return torch.where(is_masked & (u < down), 0, torch.where(~is_masked & (u < h * eta), LETTERS.mask, x))

    return step


def largest_excess(step, steps: int, seed: int) -> float:
    """How far the share of masks strays from 1 - t along a simulation, in standard errors (n = 40,000 sites)."""
    noise = SharedNoise.keyed(seed)
    x = LETTERS.prior((ROWS, 80), noise)
    prediction = CASES[-1].point_mass(x, torch.zeros(x.shape), torch.zeros_like(x))
    times = torch.linspace(0, 1, steps + 1).tolist()
    excess = 0.0
    for t, t_next in pairwise(times):
        x = step(x, t, t_next, prediction, noise)
        error = abs(float((x == LETTERS.mask).double().mean()) - (1 - t_next))
        deviation = (t_next * (1 - t_next) / x.numel()) ** 0.5
        excess = max(excess, error / deviation if deviation > 0 else (error > 0) * float("inf"))
    return excess


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("eta", [0.0, 5.0, 20.0])
def test_the_share_of_masks_is_exact_at_every_step(eta, steps):
    assert largest_excess(exact_step(eta), steps, seed=9) < 4


def test_an_euler_step_would_fail_the_share_of_masks():
    assert largest_excess(euler_step(20.0), 5, seed=9) > 50
    assert largest_excess(euler_step(0.0), 5, seed=9) < 4  # without re-masking Euler is exact


def test_remasking_happens_at_the_rate_asked_for():
    """In a step of length h a shown site is masked with probability 1 - e^(-eta h), capped by (1 - t - h)/t."""
    noise = SharedNoise.keyed(10)
    x = torch.zeros(ROWS, 80, dtype=torch.int64)
    prediction = CASES[-1].point_mass(x, torch.zeros(x.shape), x)
    for t, t_next, expected in ((0.4, 0.45, 1 - torch.e**-1), (0.9, 0.95, 0.05 / 0.9)):
        moved = exact_step(20.0)(x, t, t_next, prediction, noise)
        share = float((moved == LETTERS.mask).double().mean())
        assert abs(share - expected) < 4 * (expected * (1 - expected) / x.numel()) ** 0.5


def test_the_flow_runs_along_the_geodesic():
    """From x to z in one step of half the remaining time: half the way, to rounding."""
    case = CASES[1]
    noise = SharedNoise.keyed(11)
    x, z = SO3.prior((50, 2), noise), SO3.prior((50, 2), noise)
    at, then = torch.full((50, 2), 0.2), torch.full((50, 2), 0.6)
    moved = case.process.transition(x, at, then, case.point_mass(x, at, z), noise)
    torch.testing.assert_close(moved, SO3.exp(x, 0.5 * SO3.log(x, z)), atol=1e-5, rtol=0)
