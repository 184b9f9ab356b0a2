"""The midpoint step: of second order, for every factor on its own clock, and with what is given in place."""

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import SharedNoise
from gm_multimodal.parameterizations.bins import BinRates, Bins
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.product import Factor, Known
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.midpoint import MidpointVelocity
from gm_multimodal.sampling.sampler import Sampler
from gm_multimodal.schedules import Linear, Power
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.torus import Torus

PATH = GaussianPath(Euclidean(1))
PRODUCT = {
    name: Factor(Flow(PATH), VelocityMean(PATH), clock) for name, clock in {"a": Linear(), "b": Power(1.5)}.items()
}
SITES = Sites.all_present(3, 4)


class Decay:
    """dx/dt = -k (1 + t) x of both factors, so that x_1 = exp(-1.5 k) x_0."""

    def __init__(self, rate: float = 0.8) -> None:
        self.rate, self.calls = rate, 0

    def __call__(self, state, times, sites, previous):
        self.calls += 1
        assert all((t < 1).all() for t in times.values())
        return {name: -self.rate * (1 + times[name][..., None]) * x for name, x in state.items()}


def known() -> Known:
    values = {name: torch.zeros(3, 4, 1) for name in PRODUCT}
    return Known(values, {name: ~SITES.present for name in PRODUCT}, SITES)


def errors(second_order: bool, steps: tuple[int, ...]):
    """The greatest relative error of the flow of `Decay`, for every number of steps."""
    found = []
    for number in steps:
        grid = UniformGrid(number)
        network = MidpointVelocity(Decay(), PRODUCT, grid) if second_order else Decay()
        end = Sampler(grid)(network, PRODUCT, known(), SharedNoise.keyed(1))
        noise = SharedNoise.keyed(1)
        start = {name: factor.prior(known(), name, noise) for name, factor in PRODUCT.items()}
        error = torch.stack([end[name] / start[name] / torch.tensor(-1.2).exp() - 1 for name in PRODUCT])
        found.append(float(error.abs().max()))
    return found


@pytest.mark.parametrize(("second_order", "order"), [(False, 1), (True, 2)])
def test_the_order_of_a_flow_is_the_one_it_says(second_order, order):
    coarse, fine = errors(second_order, (10, 20))
    assert fine * 2**order == pytest.approx(coarse, rel=0.25)


@pytest.mark.parametrize(("once_at_last", "calls"), [(False, 10), (True, 9)])
def test_a_step_takes_two_calls_and_perhaps_the_last_one(once_at_last, calls):
    grid, network = UniformGrid(5), Decay()
    Sampler(grid)(
        MidpointVelocity(network, PRODUCT, grid, once_at_last=once_at_last), PRODUCT, known(), SharedNoise.keyed(0)
    )
    assert network.calls == calls


def test_everything_but_the_velocity_is_that_of_the_beginning():
    def network(state, times, sites, previous):
        return {name: torch.stack([x, *2 * [times[name][..., None]]], -1) for name, x in state.items()}

    reads = BinRates(PATH, Bins(-1.0, 1.0, 2))  # any output that has a place for the velocity
    product = {name: Factor(RateJump(PATH), reads, factor.clock) for name, factor in PRODUCT.items()}
    grid = UniformGrid(4)
    state, times = (
        {name: torch.full(shape, value) for name in PRODUCT} for shape, value in (((3, 4, 1), 1.0), ((3, 4), 0.0))
    )
    output = MidpointVelocity(network, product, grid, (..., 0))(state, times, SITES, None)
    assert float(output["a"][..., 0].unique()) == 1 + 0.25 / 2
    assert output["a"][..., 1].unique().tolist() == [0.0]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": torch.zeros(3, 4, 1)}, "says nothing of the factor b: it emits a, but the factors are a and b"),
        ({"a": torch.zeros(3, 4, 2), "b": torch.zeros(3, 4, 1)}, r"emits \(3, 4, 2\) .* a, but VelocityMean reads"),
    ],
)
def test_a_network_that_does_not_say_the_velocities_is_refused(outputs, message):
    with pytest.raises(IncompatibleProcess, match=message):
        MidpointVelocity(lambda *_: outputs, PRODUCT, UniformGrid(2))(
            {name: torch.zeros(3, 4, 1) for name in PRODUCT}, {name: torch.zeros(3, 4) for name in PRODUCT}, SITES, None
        )


def test_a_space_without_straight_lines_is_refused():
    walk = GeodesicPath(Torus(1))
    product = {"angle": Factor(Flow(walk), VelocityMean(walk))}
    with pytest.raises(IncompatibleProcess, match=r"takes Euclidean for its space of angle, not Torus\(dim=1\)"):
        MidpointVelocity(Decay(), product, UniformGrid(2))
