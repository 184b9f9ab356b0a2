"""What is given or padded stands at t = 1: every reading and every process meets it, at any time of the others."""

import pytest
import torch
from torch import Tensor

from gm_multimodal.network import means
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import matching_loss
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.product import Factor, Known
from gm_multimodal.sites import Sites
from tests.theory.cases import CASES, Case, generic

pytestmark = pytest.mark.theory

ROWS, SITES = 4, 3
TIMES = pytest.mark.parametrize("t", [0.0, 0.4, 1 - 2**-24, 1.0])


def some_known(case: Case) -> Known:
    """A row of which nothing is given, one with a given site, one with a padded site, and one that is all given."""
    z = generic(case.space, ROWS * SITES, 1).unflatten(0, (ROWS, SITES))
    given, present = torch.zeros(ROWS, SITES, dtype=torch.bool), torch.ones(ROWS, SITES, dtype=torch.bool)
    given[1, 0], present[2, 2], given[3] = True, False, True
    return Known({"x": z.float() if z.is_floating_point() else z}, {"x": given}, Sites(present))


class Network:
    """Emits parameters of its own at every site."""

    def __init__(self, case: Case) -> None:
        shape = ROWS, SITES, *case.reads.output_shape
        self.output = torch.randn(shape, generator=torch.Generator().manual_seed(2), requires_grad=True)

    def __call__(self, state, times, sites, previous) -> dict[str, Tensor]:
        return {"x": self.output}


@TIMES
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_process_leaves_it_in_place_and_is_finite(case, t):
    """From t to 1, half way there, and not at all."""
    known, noise = some_known(case), SharedNoise.keyed(3)
    free, output = known.free("x"), Network(case).output.detach()
    now = torch.where(free, t, 1.0)
    noised = case.path.sample(case.space.prior((ROWS, SITES), noise), known.values["x"], now, noise)
    x = known.overwrite({"x": noised})["x"]
    prediction = case.reads(output, x, now)
    assert all(mean.isfinite().all() for mean in means({"x": prediction}).values())
    for t_next in {t, (1 + t) / 2, 1.0}:
        moved = case.process.transition(x, now, torch.where(free, t_next, 1.0), prediction, noise)
        assert moved.isfinite().all()
        assert torch.equal(moved[~free], x[~free])


READINGS = tuple({(case.setting.name, str(case.reads)): case for case in CASES}.values())


@TIMES
@pytest.mark.parametrize("case", [c for c in READINGS if not isinstance(c.reads, PointMass)], ids=str)
def test_the_loss_and_its_gradient_are_finite_and_0_there(case, t):
    known, network = some_known(case), Network(case)
    product = {"x": Factor(case.process, case.reads)}
    matching = matching_loss(network, product, known, {"x": torch.full((ROWS, SITES), t)}, SharedNoise.keyed(4))
    matching.total.backward()
    assert matching.total.isfinite()
    assert network.output.grad.isfinite().all()
    assert (network.output.grad[~known.free("x")] == 0).all()
