"""The heuristic speed of a flow: the flow itself at 1, ahead of its path above 1, and never beyond its end."""

from itertools import pairwise

import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.parameterizations.endpoint import EndpointPrediction
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.spaces.rotations import Rotations, rotation_angle

SPACE = Rotations()
STEPS = 20


def remaining(speed: float, at: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Angle to a fixed endpoint at the start and after `at` of STEPS steps, float64 [64]."""
    noise = SharedNoise(torch.Generator().manual_seed(0), torch.float64)
    x, z = SPACE.prior((64,), noise), SPACE.prior((64,), noise)
    start = rotation_angle(x, z)
    process = Flow(GeodesicPath(SPACE), speed)
    times = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    for t, t_next in pairwise(times[: at + 1]):
        prediction = EndpointPrediction(SPACE, x, z)
        x = process.transition(x, t.expand(64), t_next.expand(64), prediction, noise)
    return start, rotation_angle(x, z)


@pytest.mark.parametrize("speed", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("at", [1, 7, STEPS])
def test_what_remains_is_the_product_of_the_steps(speed, at):
    start, end = remaining(speed, at)
    expected = 1.0
    for i in range(at):
        expected *= 1 - min(1.0, speed / (STEPS - i))
    torch.testing.assert_close(end, expected * start, atol=1e-7, rtol=1e-6)


def test_a_very_fast_flow_arrives_at_once_and_stays():
    _, end = remaining(1000.0, 1)
    assert end.max() < 1e-7
    _, end = remaining(1000.0, STEPS)
    assert end.max() < 1e-7


@pytest.mark.parametrize("speed", [0.5, 0.0, -1.0, float("nan")])
def test_a_flow_that_would_not_arrive_is_refused(speed):
    with pytest.raises(ValueError, match="speed"):
        Flow(GeodesicPath(SPACE), speed)
