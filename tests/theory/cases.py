"""The one list of cases: every path, every process that keeps it, every way of reading a network that it can follow.

A new path is one line of `SETTINGS`; what it can do (flow, density, noise) decides its processes and readings.
`python -m tests.theory.cases` prints the list.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_multimodal.generators import Observable
from gm_multimodal.noise import SharedNoise
from gm_multimodal.parameterizations.base import Parameterization
from gm_multimodal.parameterizations.bins import BinPosterior, BinRates, Bins
from gm_multimodal.parameterizations.endpoint import EndpointMean
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.paths.base import ConditionalPath, DensePath, FlowPath, LinearFlowPath, NoisyPath
from gm_multimodal.paths.fisher import FisherPath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.igso3 import IGSO3Path
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.paths.von_mises import VonMisesPath
from gm_multimodal.processes.base import ConditionalProcess, Process
from gm_multimodal.processes.ctmc import MaskingCTMC, UniformCTMC
from gm_multimodal.processes.euler import Euler
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.langevin import Langevin
from gm_multimodal.processes.mixture import MixtureDiffusion, MixtureJump
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.processes.superposition import PredictorCorrector, Superposition
from gm_multimodal.schedules import CondOT, Power, VarianceExploding, VariancePreserving
from gm_multimodal.spaces.base import Manifold, StateSpace
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.interval import Interval
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.spaces.torus import Torus


@dataclass(frozen=True)
class Setting:
    """A path under the name of its space and law.

    Attributes:
        name: for the reader of a failing test.
        path: the path.
        pace: about how many times faster than a straight line the law changes at small t.
    """

    name: str
    path: ConditionalPath
    pace: float = 1.0

    @property
    def space(self) -> StateSpace:
        return self.path.space


SETTINGS = (
    Setting("R^2, CondOT", GaussianPath(Euclidean(2))),
    Setting("R^1, variance preserving", GaussianPath(Euclidean(1), VariancePreserving())),
    Setting("R^1, variance exploding", GaussianPath(Euclidean(1, 20.0), VarianceExploding())),
    Setting("torus, geodesic", GeodesicPath(Torus(2))),
    Setting("torus, von Mises", VonMisesPath(Torus(2)), pace=4.0),
    Setting("SO(3), geodesic", GeodesicPath(Rotations())),
    Setting("SO(3), Fisher", FisherPath(Rotations()), pace=4.0),
    Setting("SO(3), heat kernel", IGSO3Path(Rotations()), pace=4.0),
    Setting("SO(3), mixture", MixturePath(Rotations(), Power(2.0))),
    Setting("interval, mixture", MixturePath(Interval(-1.0, 2.0))),
    Setting("set, masking", MixturePath(MaskedCategorical(4))),
    Setting("set, uniform", MixturePath(Categorical(4), Power(1.5))),
)


@dataclass(frozen=True)
class Case:
    """A process on a path, and one way of reading a network that it can follow.

    Attributes:
        setting: space and path.
        moves: name of the process.
        process: what is tested.
        reads: the parameterization.
        is_exact: given z, a step of any size carries p_t to p_{t'}; otherwise the step is of first order.
    """

    setting: Setting
    moves: str
    process: Process
    reads: Parameterization
    is_exact: bool

    @property
    def name(self) -> str:
        return f"{self.setting.name}: {self.moves}"

    @property
    def path(self) -> ConditionalPath:
        return self.setting.path

    @property
    def space(self) -> StateSpace:
        return self.setting.path.space

    def __str__(self) -> str:
        return f"{self.name}, by {type(self.reads).__name__}"


def is_straight(path: ConditionalPath) -> bool:
    """Points run at constant speed, so that Euler's step of the flow is the flow."""
    return isinstance(path, GeodesicPath) or (isinstance(path, GaussianPath) and isinstance(path.schedule, CondOT))


def processes_of(path: ConditionalPath) -> Iterator[tuple[str, Process, bool]]:
    """Every process that keeps a path: name, process, whether its finite step is exact given z."""
    if isinstance(path, FlowPath):
        flow = Flow(path, marginal="sample")
        yield "flow", flow, True
        yield "flow, Euler", Euler(flow), is_straight(path)
        if isinstance(path, LinearFlowPath):
            yield "flow of the mean", Flow(path), True
        if isinstance(path, NoisyPath):
            yield "flow with noise", Langevin(flow, 1.5), True
            if isinstance(path, GaussianPath):
                yield "flow of the mean with noise", Langevin(Flow(path), 0.5), True
    if isinstance(path, DensePath):
        yield "jump", Jump(path), True
        yield "jump, improved", Jump(path, "improved"), False
        yield "jump, Euler", Jump(path, "euler"), False
        yield "jump there and back", PredictorCorrector(Jump(path), 0.7), True
        if isinstance(path, FlowPath):
            for weight in (0.25, 0.5, 0.75):
                parts = Flow(path, marginal="sample"), Jump(path)
                yield f"flow and {weight} jump", Superposition(parts, (1 - weight, weight)), True
            yield "flow, then more and more jump", Superposition(parts, ((1.0, 0.2), (0.0, 0.8))), True
            if isinstance(path, LinearFlowPath):
                yield "flow of the mean and jump", Superposition((Flow(path), Jump(path)), (0.5, 0.5)), True
            yield "flow there, jump back", PredictorCorrector(Flow(path, marginal="sample"), 1.0), True
    if isinstance(path, GaussianPath):
        yield "predicted jump", RateJump(path), False
    if isinstance(path, MixturePath):
        yield "mixture jump", MixtureJump(path), True
        if isinstance(path.space, Interval):
            yield "mixture diffusion", MixtureDiffusion(path), False
            both = MixtureDiffusion(path), MixtureJump(path)
            yield "diffusion and 0.5 jump", Superposition(both, (0.5, 0.5)), False
        if isinstance(path.space, MaskedCategorical):
            for eta in (0.0, 5.0, 20.0):
                yield f"chain, noise {eta:g}", MaskingCTMC(path, remasking=eta), True
            yield "chain, noise 20, Euler", Euler(MaskingCTMC(path, remasking=20.0)), False
        if isinstance(path.space, Categorical):
            for eta in (0.0, 5.0):
                yield f"chain, noise {eta:g}", UniformCTMC(path, leaving=eta), True
            yield "chain, noise 5, Euler", Euler(UniformCTMC(path, leaving=5.0)), False


def readings_of(path: ConditionalPath) -> Iterator[Parameterization]:
    """Every way of reading a network about the z of a path."""
    space = path.space
    if isinstance(space, Manifold):
        yield PointMass(space)
    if isinstance(space, Euclidean):
        yield EndpointMean(space)
        yield BinPosterior(space, Bins(-4.0, 4.0, 16))
        if isinstance(path, GaussianPath):
            yield BinRates(path, Bins(-4.0, 4.0, 16))
    if isinstance(space, Euclidean | Torus) and isinstance(path, LinearFlowPath):
        yield VelocityMean(path)
    if isinstance(space, Rotations | Torus):
        yield TangentMixture(space)
        yield TangentMixture(space, components=3)
    if isinstance(space, MaskedCategorical | Categorical):
        yield CategoricalPosterior(space)


def _cases() -> Iterator[Case]:
    for setting in SETTINGS:
        for moves, process, is_exact in processes_of(setting.path):
            for reads in readings_of(setting.path):
                if issubclass(reads.predicts, process.follows):
                    yield Case(setting, moves, process, reads, is_exact)


CASES = tuple(_cases())
MOVES = tuple({case.name: case for case in CASES}.values())
"""One case for every process: laws in which z is known, and no network is read."""
CONDITIONAL = tuple(case for case in MOVES if isinstance(case.process, ConditionalProcess))


def stream(seed: int) -> SharedNoise:
    """Random numbers in double precision."""
    return SharedNoise(torch.Generator().manual_seed(seed), torch.float64)


def generic(space: StateSpace, n: int, seed: int) -> Tensor:
    """Data points without symmetry, [n, *E]."""
    noise = stream(seed)
    if isinstance(space, Euclidean):
        return 1.5 * noise.normal((n, space.dim))
    if isinstance(space, MaskedCategorical | Categorical):
        return torch.floor(space.size * noise.uniform((n,))).long()
    return space.prior((n,), noise)


def observable(space: StateSpace) -> Observable:
    """A smooth function without symmetry; on an interval its slope vanishes at the walls, which reflect."""
    if isinstance(space, Euclidean):
        a = torch.tensor([0.9, -0.7], dtype=torch.float64)[: space.dim] / space.scale
        return lambda x: torch.sin(x @ a + 0.3) + 0.2 * (x @ a).square()
    if isinstance(space, Torus):
        return lambda x: torch.cos(x[..., 0] + 0.3) + 0.5 * torch.sin(x[..., 0] + x[..., -1])
    if isinstance(space, Rotations):
        a, b = 0.5 * stream(7).normal((2, 3, 3))
        return lambda x: (a * x).sum((-2, -1)) + (b * x).sum((-2, -1)).square()
    if isinstance(space, Interval):
        turn = torch.pi / (space.upper - space.lower)
        return lambda x: (turn * (x[..., 0] - space.lower)).cos() + 0.4 * (2 * turn * (x[..., 0] - space.lower)).cos()
    table = stream(8).normal((64,))
    return lambda x: table[x]


def statistics(space: StateSpace, x: Tensor, z: Tensor) -> list[Tensor]:
    """Numbers whose laws are compared, [n] each: the distance from z and coordinates, or the state itself.

    On an interval, the bin of a grid that has z in the middle of a bin: paths there have an atom, which a diffusion
    comes near without hitting it.
    """
    if not isinstance(space, Manifold):
        return [x]
    if isinstance(space, Interval):
        return [torch.floor((x - z)[:, 0] / 0.4 + 0.5).long() + 10]
    v = space.log(z, x)
    return [v.norm(dim=-1), v[:, 0]] + ([v[:, -1]] if v.shape[-1] > 1 else [])


if __name__ == "__main__":
    print("\n".join(map(str, CASES)))  # noqa: T201
    print(f"{len(CASES)} cases: {len(SETTINGS)} paths, {len(MOVES)} processes")  # noqa: T201
