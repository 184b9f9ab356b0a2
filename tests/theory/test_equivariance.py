"""Every process on SO(3) commutes with rotations of the world: R x goes where x goes, turned by R."""

import pytest
import torch

from gm_multimodal.oracle import WEIGHTS, Oracle, three_points
from gm_multimodal.spaces.rotations import Rotations
from tests.theory.cases import CASES, CONDITIONAL, stream

pytestmark = pytest.mark.theory

N, TURNS = 100, 2


@pytest.mark.parametrize("case", [c for c in CONDITIONAL if isinstance(c.space, Rotations)], ids=lambda c: c.name)
def test_a_conditional_step_turns_with_the_world(case):
    """To 1e-9 in double precision, with the same noise, which is drawn in local frames."""
    noise = stream(1)
    z, at, then = case.space.prior((N,), noise), torch.full((N,), 0.3).double(), torch.full((N,), 0.45).double()
    x = case.path.sample(case.space.prior((N,), noise), z, at, noise)
    x[: N // 2] = case.space.prior((N // 2,), noise)  # half of the points off the path
    moved = case.process.conditional(x, at, then, z, stream(2))
    assert not torch.equal(moved, x)
    for turn in case.space.prior((TURNS,), stream(3)):
        turned = case.process.conditional(turn @ x, at, then, turn @ z, stream(2))
        # A decision on the edge of a random number may fall the other way by rounding: none of 100 does here.
        error = (turned - turn @ moved).abs().amax((-2, -1))
        assert error.max() < 1e-9, f"row {int(error.argmax())} is off by {float(error.max())} under {turn.tolist()}"


ROTATIONS = [c for c in CASES if isinstance(c.space, Rotations)]


@pytest.mark.parametrize("case", ROTATIONS, ids=str)
def test_a_step_that_reads_a_network_turns_with_the_world(case):
    """Predictions are in local frames or are points of SO(3): with data that turn too, so does the step."""
    noise = stream(1)
    x, at, then = case.space.prior((N,), noise), torch.full((N,), 0.3).double(), torch.full((N,), 0.45).double()
    data = three_points(case.space)

    def step(x, data):
        output = Oracle(case.path, data, WEIGHTS).emit(case.reads, x, at, stream(4))
        return case.process.transition(x, at, then, case.reads(output, x, at), stream(5))

    moved = step(x, data)
    for turn in case.space.prior((TURNS,), stream(3)):
        error = (step(turn @ x, turn @ data) - turn @ moved).abs().amax((-2, -1))
        assert error.max() < 1e-8, f"row {int(error.argmax())} is off by {float(error.max())} under {turn.tolist()}"
