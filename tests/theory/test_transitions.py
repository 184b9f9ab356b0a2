"""Given z, a process carries p_t(. | z) to p_{t'}(. | z): exactly in any number of steps, or nearly in many."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from gm_multimodal.oracle import total_variation
from gm_multimodal.spaces.interval import Interval
from tests.theory.cases import CONDITIONAL, Case, generic, statistics, stream

pytestmark = pytest.mark.theory

N = 3_000
START = 0.1
BINS = 20


def times(t: float, n: int = N) -> Tensor:
    return torch.full((n,), t, dtype=torch.float64)


def on_the_path(case: Case, z: Tensor, t: float, seed: int) -> Tensor:
    noise = stream(seed)
    return case.path.sample(case.space.prior((N,), noise), z, times(t), noise)


def walk(case: Case, z: Tensor, end: float, steps: int) -> Tensor:
    """Equal steps of the process from START to `end`, [N, *E]."""
    x, noise = on_the_path(case, z, START, seed=1), stream(2)
    for t, t_next in pairwise(torch.linspace(START, end, steps + 1).tolist()):
        x = case.process.conditional(x, times(t), times(t_next), z, noise)
    return x


def distances(case: Case, end: float, steps: tuple[int, ...]) -> tuple[list[float], float]:
    """Total variation from the path at `end`, worst statistic, for every number of steps; and the noise floor."""
    z = generic(case.space, 3, seed=1)[2].expand(N, *case.space.event_shape)
    direct = [statistics(case.space, on_the_path(case, z, end, seed), z) for seed in (3, 4, 5)]

    def distance(sample: list[Tensor]) -> float:
        return max(sum(total_variation(s, d[k], BINS) for d in direct) / 3 for k, s in enumerate(sample))

    floor = max(
        sum(total_variation(direct[i][k], direct[i - 1][k], BINS) for i in range(3)) / 3 for k in range(len(direct[0]))
    )
    return [distance(statistics(case.space, walk(case, z, end, n), z)) for n in steps], floor


@pytest.mark.parametrize(("end", "steps"), [(0.4, 4), (0.9, 1)])
@pytest.mark.parametrize("case", [case for case in CONDITIONAL if case.is_exact], ids=lambda case: case.name)
def test_an_exact_process_keeps_the_path_in_steps_of_any_size(case, end, steps):
    """Histograms of n = 3,000 within 1.5 x the distance of two direct samples, and 0.01 for sets of few states."""
    (distance,), floor = distances(case, end, (steps,))
    assert distance < 1.5 * floor + 0.01


@pytest.mark.parametrize("case", [case for case in CONDITIONAL if not case.is_exact], ids=lambda case: case.name)
def test_an_approximate_process_comes_near_with_many_steps(case):
    """Twenty times as many steps bring the error down to a quarter, up to noise: order 1/2 at least."""
    is_steep = case.setting.pace > 1 or isinstance(case.space, Interval)  # whose variance grows like 1 / (1 - t)
    (coarse, fine), floor = distances(case, 0.4 if is_steep else 0.8, (2, 40) if case.setting.pace > 1 else (3, 60))
    assert coarse > 2 * floor
    assert fine < 0.25 * coarse + 1.5 * floor
