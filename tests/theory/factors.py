"""What the laws are tested on: every factor, its exact densities, and an exact posterior in the network's place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from e3nn import o3
from torch import Tensor

from gm_multimodal.noise import SharedNoise
from gm_multimodal.parameterizations.base import Parameterization, Prediction
from gm_multimodal.parameterizations.endpoint import EndpointMean, EndpointPrediction
from gm_multimodal.parameterizations.posterior import CategoricalPosterior, CategoricalPrediction
from gm_multimodal.parameterizations.tangent import TangentMixture, TangentPrediction
from gm_multimodal.paths.base import ConditionalPath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.base import Process
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.processes.flow import Flow
from gm_multimodal.product import Factor, Known, Product, State
from gm_multimodal.schedules import Linear
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.base import StateSpace, expand_as
from gm_multimodal.spaces.categorical import MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations, rotation_angle

TYPES = 4
IMPOSSIBLE = -1e4  # logarithm of a likelihood of zero that stays finite when every data point is impossible

R3, SO3, LETTERS = Euclidean(3), Rotations(), MaskedCategorical(TYPES)
CONDOT, GEODESIC, MASKING = GaussianPath(R3), GeodesicPath(SO3), MixturePath(LETTERS)


@dataclass(frozen=True)
class Case:
    """A factor with everything that is known exactly about it.

    Attributes:
        name: for the reader of a failing test.
        factor: one of translations, rotations, sequence.
        process: what is tested.
        parameterization: how network output is read.
        point_mass: (x, t, z) -> the prediction that is certain of z.
        log_density: (x, t, z) -> log p_t(x | z) up to a constant that does not depend on z, [*B].
        output: (posterior [B, K], x [B, N, *E], t [B, N], data [K, N, *E]) -> what an exact network emits.
        draw: number -> that many generic data points, [n, *E].
    """

    name: str
    factor: str
    process: Process
    parameterization: Parameterization
    point_mass: Callable[[Tensor, Tensor, Tensor], Prediction]
    log_density: Callable[[Tensor, Tensor, Tensor], Tensor]
    output: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    draw: Callable[[int, torch.Generator], Tensor]

    @property
    def path(self) -> ConditionalPath:
        return self.process.path

    @property
    def space(self) -> StateSpace:
        return self.process.path.space


def _gaussian_log_density(x: Tensor, t: Tensor, z: Tensor) -> Tensor:
    square = (x - t[..., None] * z).square().sum(-1)
    remainder = (1 - t).clamp(min=1e-6)
    return torch.where(t < 1, -0.5 * square / remainder**2, given(square < 1e-8))


def _geodesic_log_density(x: Tensor, t: Tensor, z: Tensor) -> Tensor:
    """(1 - cos(w/a)) / (a (1 - cos w)) with respect to Haar measure, w the angle to z and a = 1 - t, for w < pi a.

    Beyond the support, where a step of finite size can lead, the likelihood falls off steeply instead of being zero,
    so that a posterior exists there.
    """
    angle = rotation_angle(*torch.broadcast_tensors(x, z))
    a = (1 - t).clamp(min=1e-6)
    share = angle / (torch.pi * a)
    inside = 2 * torch.log(torch.sinc(share.clamp(max=1) / 2) / torch.sinc(angle / (2 * torch.pi)))
    return torch.where(t < 1, inside - 50 * (share - 1).clamp(min=0), given(angle < 1e-3))


def _masking_log_density(x: Tensor, t: Tensor, z: Tensor) -> Tensor:
    return given((x == z) | (x == LETTERS.mask))


def given(is_possible: Tensor) -> Tensor:
    return torch.where(is_possible, 0.0, IMPOSSIBLE)


def _mean_output(posterior: Tensor, x: Tensor, t: Tensor, data: Tensor) -> Tensor:
    return torch.einsum("bk,kne->bne", posterior, data)


def _tangent_output(posterior: Tensor, x: Tensor, t: Tensor, data: Tensor) -> Tensor:
    v = SO3.log(x[:, None], data[None]) / expand_as((1 - t).clamp(min=1e-6), x[..., 0])[:, None]
    mean = torch.einsum("bk,bkne->bne", posterior, v)
    return torch.cat([mean, torch.zeros_like(mean[..., :1])], -1)


def _logits_output(posterior: Tensor, x: Tensor, t: Tensor, data: Tensor) -> Tensor:
    is_letter = torch.nn.functional.one_hot(data, TYPES).to(posterior)
    return torch.einsum("bk,kna->bna", posterior, is_letter).log()


def _certain_endpoint(x: Tensor, t: Tensor, z: Tensor) -> EndpointPrediction:
    return EndpointPrediction(R3, x, z)


def _certain_rotation(x: Tensor, t: Tensor, z: Tensor) -> EndpointPrediction:
    return EndpointPrediction(SO3, x, z)


def _certain_tangent(x: Tensor, t: Tensor, z: Tensor) -> TangentPrediction:
    v = SO3.log(x, z) / (1 - t)[..., None]
    zero = torch.zeros_like(t)[..., None]
    return TangentPrediction(SO3, x, t, v[..., None, :], zero, zero)


def _certain_letter(x: Tensor, t: Tensor, z: Tensor) -> CategoricalPrediction:
    return CategoricalPrediction(torch.nn.functional.one_hot(z, TYPES).to(t).log())


def _points(n: int, rng: torch.Generator) -> Tensor:
    return 1.5 * torch.randn(n, 3, generator=rng)


def _turns(n: int, rng: torch.Generator) -> Tensor:
    quaternions = torch.nn.functional.normalize(torch.randn(n, 4, generator=rng), dim=-1)
    return o3.quaternion_to_matrix(quaternions)


def _letters(n: int, rng: torch.Generator) -> Tensor:
    return torch.randint(TYPES, (n,), generator=rng)


def _sequence(name: str, **settings: float) -> Case:
    process = MaskingCTMC(MASKING, **settings)
    law = (_certain_letter, _masking_log_density, _logits_output, _letters)
    return Case(name, "sequence", process, CategoricalPosterior(LETTERS), *law)


TRANSLATIONS = Case(
    "translations",
    "translations",
    Flow(CONDOT),
    EndpointMean(R3),
    _certain_endpoint,
    _gaussian_log_density,
    _mean_output,
    _points,
)
ROTATIONS = Case(
    "rotations",
    "rotations",
    Flow(GEODESIC),
    TangentMixture(SO3),
    _certain_tangent,
    _geodesic_log_density,
    _tangent_output,
    _turns,
)
SEQUENCE = _sequence("sequence")
CASES = (
    TRANSLATIONS,
    ROTATIONS,
    replace(ROTATIONS, name="rotations by endpoint", point_mass=_certain_rotation),
    SEQUENCE,
    _sequence("sequence, remasking 5", remasking=5.0),
    _sequence("sequence, remasking 20", remasking=20.0),
)
FACTORS = (TRANSLATIONS, ROTATIONS, SEQUENCE)


def product_of(*cases: Case, centred: bool = False) -> dict[str, Factor]:
    """The product of some factors, every clock linear."""
    return {
        case.factor: Factor(case.process, case.parameterization, Linear(), centred=centred and case is TRANSLATIONS)
        for case in cases
    }


@dataclass(frozen=True)
class Oracle:
    """A network that knows the data: the exact posterior over finitely many joint data points.

    Attributes:
        cases: the factors.
        data: the data points, [K, N, *E] per factor.
        weights: their probabilities, [K].
    """

    cases: tuple[Case, ...]
    data: State
    weights: Tensor

    def posterior(self, state: State, times: Mapping[str, Tensor]) -> Tensor:
        """P(z = k | x_t), [B, K]."""
        logits = self.weights.log()
        for case in self.cases:
            x, t, z = state[case.factor][:, None], times[case.factor][:, None], self.data[case.factor][None]
            logits = logits + case.log_density(x, t, z).sum(-1)
        return logits.softmax(-1)

    def __call__(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> dict[str, Tensor]:
        posterior = self.posterior(state, times)
        output = {}
        for case in self.cases:
            x, t, z = state[case.factor], times[case.factor], self.data[case.factor]
            output[case.factor] = case.output(posterior, x, t, z)
        return output


def nothing_known(product: Product, rows: int, sites: int) -> Known:
    """The task of generating every site of every factor."""
    everywhere = Sites.all_present(rows, sites)
    values = {
        name: factor.process.path.space.prior((rows, sites), SharedNoise.keyed(0)) for name, factor in product.items()
    }
    return Known(values, {name: ~everywhere.present for name in product}, everywhere)
