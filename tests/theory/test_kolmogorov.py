"""The Kolmogorov equation d/dt E f(X_t | z) = E L^z f(X_t), for every process on every path; and the order of steps."""

import pytest
import torch
from torch import Tensor

from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.euler import Euler
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.superposition import PredictorCorrector, Superposition
from tests.theory.cases import CONDITIONAL, Case, generic, observable, stream

pytestmark = pytest.mark.theory

N = 6_000
DELTA = 1e-3


def has_a_generator(case: Case) -> bool:
    """The geodesic density ends at an edge that moves inwards, where it is not zero.

    Mass that jumps leaves there at an infinite rate, and noise would need a wall: of the processes on this path only
    the flow has a generator on smooth functions. The finite steps of the others keep the path all the same.
    """
    return not isinstance(case.path, GeodesicPath) or isinstance(case.process, Flow)


CASES = [case for case in CONDITIONAL if has_a_generator(case) and not isinstance(case.process, Euler)]


def change_along_the_path(case: Case, x0: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """A random variable whose mean is d/dt E f(X_t | z), [N]: paths are curves x_t(x_0), or mixtures."""
    f, path = observable(case.space), case.path
    if isinstance(path, MixturePath):
        return path.weight.derivative(t) * (f(z) - f(x0))
    later, earlier = (f(path.sample(x0, z, t + d, stream(0))) for d in (DELTA, -DELTA))
    return (later - earlier) / (2 * DELTA)


WITH_A_GENERATOR_OF_THEIR_OWN = [case for case in CASES if getattr(case.process, "rule", "coupling") == "coupling"]
"""The rules of a jump differ in their steps alone."""


def is_made_of_others(case: Case) -> bool:
    return isinstance(case.process, Superposition | PredictorCorrector)


@pytest.mark.parametrize("case", WITH_A_GENERATOR_OF_THEIR_OWN, ids=lambda case: case.name)
def test_the_generator_moves_the_law_of_the_path(case):
    """At t = .2 and .45 together, same x_0 on both sides, n = 6,000: equal within 4 standard errors of the paired
    difference, and 1 %."""
    z = generic(case.space, 3, seed=1)[2].expand(N, *case.space.event_shape)
    noise, at = stream(2), torch.tensor([0.2, 0.45], dtype=torch.float64).repeat(N // 2)
    x0 = case.space.prior((N,), noise)
    x = case.path.sample(x0, z, at, noise)
    change = change_along_the_path(case, x0, z, at)
    generated = case.process.target(x, at, z).apply(observable(case.space), x, case.space, noise)
    difference = generated - change
    scale = float(torch.maximum(change.abs().mean(), generated.abs().mean()))
    tolerance = 4 * float(difference.std()) / N**0.5 + 0.01 * scale
    assert tolerance < 0.2 * scale  # or the comparison would say nothing
    assert abs(float(difference.mean())) < tolerance


def weighted_error(case: Case, kind: str, h: float) -> tuple[float, float, float]:
    """Mean of g(x) (f(X_h) - f(x) - h L f(x)) over x ~ p_t, its standard error, and the mean of |h L f|.

    The weight g makes the comparison one of transitions: without it the law of the path alone would decide.
    """
    n, t = 2 * N, 0.3
    f, noise = observable(case.space), stream(4)
    z = generic(case.space, 3, seed=1)[2].expand(n, *case.space.event_shape)
    at, step = torch.full((n,), t, dtype=torch.float64), torch.full((n,), h, dtype=torch.float64)
    x = case.path.sample(case.space.prior((n,), noise), z, at, noise)
    generator = case.process.target(x, at, z)
    if kind == "step of the generator":
        moved = generator.step(x, step, case.space, noise)
    else:
        moved = case.process.conditional(x, at, at + step, z, noise)
    expected = h * generator.apply(f, x, case.space, noise)
    here = f(x)
    error = (here - here.mean() + 1) * (f(moved) - here - expected)
    return float(error.mean()), float(error.std()) / n**0.5, float(expected.abs().mean())


SMALL_STEPS = [
    pytest.param(case, kind, id=f"{case.name}, {kind}")
    for case in CASES
    if "0.25" not in case.name and "0.75" not in case.name
    for kind in ("step of the generator", "transition")
    if kind == "transition" or (case in WITH_A_GENERATOR_OF_THEIR_OWN and not is_made_of_others(case))
]


@pytest.mark.parametrize(("case", "kind"), SMALL_STEPS)
def test_a_small_step_is_that_of_the_generator(case, kind):
    """Half the step cuts the error to a quarter, or to 0.35 where proposals are rejected, up to 4 standard errors."""
    h = 0.08 / case.setting.pace
    (coarse, _, _), (fine, noise, scale) = (weighted_error(case, kind, step) for step in (h, h / 2))
    assert 4 * noise < 0.6 * scale  # or the comparison would say nothing
    assert abs(fine) < 0.4 * abs(coarse) + 4 * noise
    assert abs(fine) < 0.35 * scale
