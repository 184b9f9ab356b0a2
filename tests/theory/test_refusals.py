"""What the mathematics does not allow is refused, with a message that names it."""

import pytest

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.paths.fisher import FisherPath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.igso3 import IGSO3Path
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.ctmc import MaskingCTMC, UniformCTMC
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.flow_with_rates import FlowWithRates
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.langevin import Langevin
from gm_multimodal.processes.mixture import MixtureDiffusion, MixtureJump
from gm_multimodal.processes.plug_in import PlugIn
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.processes.superposition import PredictorCorrector, Superposition, flow_and_jump
from gm_multimodal.schedules import Concentration, Geometric, Power
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.interval import Interval
from gm_multimodal.spaces.rotations import Rotations

pytestmark = pytest.mark.theory

SO3 = Rotations()
GEODESIC, FISHER, PLANE = GeodesicPath(SO3), FisherPath(SO3), GaussianPath(Euclidean(2))
MASKING, UNIFORM = MixturePath(MaskedCategorical(4)), MixturePath(Categorical(4))


@pytest.mark.parametrize(
    "weights", [(0.5, 0.4), (0.5, 0.6), (-0.1, 1.1), (1.0,), (0.3, 0.3, 0.4), (), (float("nan"), 1.0)], ids=str
)
def test_weights_that_are_not_convex_are_refused(weights):
    with pytest.raises(ValueError, match=r"weights \[.*of 2 processes.*sum 1"):
        Superposition((Flow(GEODESIC), Jump(GEODESIC)), weights)


@pytest.mark.parametrize("weights", [(0.5, (0.5, 0.4)), ((1.0, 0.0), (0.0, 1.1)), ((1.2, 0.0), (-0.2, 1.0))], ids=str)
def test_weights_that_are_not_convex_at_some_time_are_refused(weights):
    with pytest.raises(ValueError, match="sum 1 at all times"):
        Superposition((Flow(GEODESIC), Jump(GEODESIC)), weights)


def test_any_convex_weights_are_taken():
    for weights in ((0.0, 1.0), (0.3, 0.7), (1 / 3, 2 / 3), ((1.0, 0.0), (0.0, 1.0)), (0.5, (0.5, 0.5))):
        assert Superposition((Flow(GEODESIC), Jump(GEODESIC)), weights).weights == weights


def test_the_weight_of_a_jump_may_change_with_time():
    assert flow_and_jump(GEODESIC, 0.25).weights == ((0.75, 0.75), (0.25, 0.25))
    assert flow_and_jump(GEODESIC, [1, 0]).weights == ((0, 1), (1, 0))
    with pytest.raises(ValueError, match="sum 1"):
        flow_and_jump(GEODESIC, [0.5, 1.5])


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (Flow(GEODESIC), Jump(FISHER), r"Flow keeps GeodesicPath.*Jump keeps FisherPath"),
        (Flow(FISHER, marginal="sample"), Jump(FisherPath(SO3, Concentration(50.0))), r"limit=100000\.0.*limit=50\.0"),
        (MixtureJump(MixturePath(SO3)), MixtureJump(MixturePath(SO3, Power(2.0))), r"Linear\(\).*Power\(power=2"),
    ],
)
def test_processes_of_different_paths_are_refused_by_name(first, second, names):
    with pytest.raises(IncompatibleProcess, match=names + r".*only processes of one path can be superposed"):
        Superposition((first, second), (0.5, 0.5))


@pytest.mark.parametrize("other", [RateJump(PLANE), PlugIn(Jump(PLANE)), FlowWithRates(PLANE, 0.5)], ids=str)
@pytest.mark.parametrize("place", [0, 1])
def test_a_process_that_is_not_known_given_z_cannot_be_superposed(other, place):
    processes = [Flow(PLANE), Flow(PLANE)]
    processes[place] = other
    name = type(other).__name__
    with pytest.raises(IncompatibleProcess, match=rf"known given z; {name} is not.*FlowWithRates superposes"):
        Superposition(tuple(processes), (0.5, 0.5))


def test_a_superposition_of_nothing_is_refused():
    with pytest.raises(ValueError, match="of 0 processes; give one for each"):
        Superposition((), ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flow(MASKING), r"Flow needs a path that is carried by one; MixturePath is not"),
        (lambda: Flow(FISHER), r"FisherPath is not linear.*marginal='sample'"),
        (lambda: Jump(MASKING), r"Jump needs a path with a density; MixturePath has none"),
        (lambda: PredictorCorrector(MixtureJump(MASKING), 1.0), r"PredictorCorrector needs.*density.*MixturePath"),
        (lambda: Langevin(Flow(GEODESIC), 1.0), r"score of GeodesicPath is not linear.*marginal='sample'"),
        (lambda: MixtureDiffusion(MASKING), r"MixtureDiffusion runs on an Interval, not on MaskedCategorical"),
        (lambda: MaskingCTMC(UNIFORM), r"MaskingCTMC runs on a MaskedCategorical, not on a Categorical"),
        (lambda: UniformCTMC(MASKING), r"UniformCTMC runs on a Categorical, not on a MaskedCategorical"),
    ],
)
def test_a_process_that_a_path_cannot_carry_is_refused_by_name(make, message):
    with pytest.raises(IncompatibleProcess, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Flow(PLANE, marginal="median"), "marginal"),
        (lambda: Jump(PLANE, "heun"), "rule"),
        (lambda: RateJump(PLANE, "coupling"), "rule"),
        (lambda: Langevin(Flow(PLANE), -1.0), "strength"),
        (lambda: PredictorCorrector(Jump(PLANE), -0.5), "strength"),
        (lambda: MixtureDiffusion(MixturePath(Interval(0.0, 1.0)), substeps=0), "substeps"),
        (lambda: UniformCTMC(UNIFORM, leaving=-1.0), "leaving"),
        (lambda: Interval(1.0, 1.0), "no length"),
        (lambda: IGSO3Path(SO3, Geometric(5.0, 0.01)), "exceeds 4"),
    ],
)
def test_settings_without_meaning_are_refused_by_name(make, word):
    with pytest.raises(ValueError, match=word):
        make()
