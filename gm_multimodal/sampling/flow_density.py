"""The density that the probability flow gives to data: how likely the model finds points on manifolds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.checks import check_known
from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.network import Network, predict
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPrediction
from gm_multimodal.paths.base import DensePath, LinearFlowPath
from gm_multimodal.product import Known, Product, State, factor_of
from gm_multimodal.sampling.grids import ShrinkingGrid
from gm_multimodal.spaces.base import Manifold, expand_as

# Reach of the central differences in the unit of every space (nm, rad): small against the blur of the data, large
# against the rounding of a network in single precision.
_NUDGE = 1e-3
_HAIR = 1e-4


@final
@dataclass(frozen=True)
class FlowDensity:
    """Densities at a blurred point x ~ p_t(. | z), t close to 1: one stochastic estimate per row.

    Attributes:
        marginal: log p_t(x) under the model, [B] (nat, by the unit of the spaces).
        conditional: log p_t(x | z), in closed form, [B] (nat, by the same unit).
    """

    marginal: Tensor
    conditional: Tensor

    @property
    def description(self) -> Tensor:
        """Nats that tell z, up to the blur, from all else that the model could have made; free of units, [B].

        The mean over x is KL(p_t(. | z) || p_t): the variational bound of -log p(z) without its last term, which
        depends on the blur and not on the model.
        """
        return self.conditional - self.marginal


@torch.inference_mode()
def flow_density(
    network: Network,
    product: Product,
    known: Known,
    factors: Sequence[str],
    grid: ShrinkingGrid,
    noise: Noise,
) -> FlowDensity:
    """Integrate d/dt log p_t(x_t) = -div u_t(x_t) along dx/dt = u_t(x), back from blurred data to the prior.

    Midpoint rule. The divergence is Hutchinson's estimate e . D_e u with random directions e, drawn anew in every step
    for all factors together; D_e is a central difference, so that no network needs to be differentiable. Tangent
    vectors are coordinates in left-invariant frames, which preserve Haar measure, so that on SO(3) too the divergence
    is the trace of the derivative.

    The other factors enter as `known` has them: given at time 1, or at time 0 with a draw of the prior, which says
    nothing, so that the law is the marginal one. The velocity is that of the path at the posterior mean; the processes
    that simulate, with their speeds and noise, play no part.

    Args:
        network: called in inference mode, without feedback, so that u is a function of x alone.
        product: the factors.
        known: clean data as `values`, and what is given.
        factors: whose joint density is asked for; each on a path that is linear in a mean and has a density.
        grid: sampling times; what remains at its end is the blur.
        noise: of blur, prior and directions.

    Returns:
        One estimate per row; rows that repeat a chain are independent estimates.

    Raises:
        IncompatibleProcess: A factor has no such path, or its prediction no mean displacement.
    """
    for name in factors:
        _check(product, name)
    check_known(product, known, everywhere=True)
    flow = _Flow(network, product, known, tuple(factors))
    times, middles = grid.times(), grid.middles()
    state = flow.blurred(times[-1], noise)
    conditional = flow.log_density(state, times[-1])
    gained = torch.zeros_like(conditional)
    for k in reversed(range(grid.steps)):
        end, middle, start = times[k + 1], middles[k], times[k]
        velocity = flow.velocity(state, end)
        halfway = flow.move(state, velocity, middle - end)
        velocity, divergence = flow.divergence(halfway, middle, velocity, noise)
        state = flow.move(state, velocity, start - end)
        gained = gained - float(end - start) * divergence
    # at time 0 the law is the prior, whatever z
    return FlowDensity(flow.log_density(state, times[0]) + gained, conditional)


def _check(product: Product, name: str) -> None:
    factor = factor_of(product, name)
    path, predicts = factor.process.path, factor.parameterization.predicts
    if not isinstance(path, LinearFlowPath) or not isinstance(path, DensePath):
        raise IncompatibleProcess(f"The density of {name} needs a path with a flow and a density; {path} is not one.")
    if not issubclass(predicts, ManifoldPrediction):
        raise IncompatibleProcess(f"The density of {name} needs a mean displacement; {predicts.__name__} has none.")


@final
@dataclass(frozen=True)
class _Flow:
    """The probability flow of some factors while the others rest."""

    network: Network
    product: Product
    known: Known
    factors: tuple[str, ...]

    def blurred(self, t: Tensor, noise: Noise) -> State:
        """Draw x_t ~ p_t(. | z) of the factors; the others are given or drawn from their priors."""
        state = {name: factor.prior(self.known, name, noise) for name, factor in self.product.items()}
        for name in self.factors:
            path, z = self.product[name].process.path, self.known.values[name]
            state[name] = path.sample(state[name], z, self._free_times(name, t), noise)
        return self.known.overwrite(state)

    def log_density(self, state: State, t: Tensor) -> Tensor:
        """Return log p_t(x | z) of the free sites of all factors together, [B]."""
        # a hair earlier, so that rounding puts no point off a support that ends sharply
        t = t - _HAIR * (1 - t) * (t > 0)
        total = torch.zeros(self.known.sites.present.shape[0], device=self.known.sites.present.device)
        for name in self.factors:
            factor, free = self.product[name], self.known.free(name)
            path, times = factor.process.path, self._free_times(name, t)
            assert isinstance(path, DensePath)
            per_part = path.log_prob(state[name], times, self.known.values[name])
            per_site = per_part.reshape(*free.shape, -1).sum(-1)
            total = total + torch.where(free, per_site, 0.0).sum(-1)
            if factor.centred:
                # no density is spent on the mean over the sites: take that of one site at its centre out again
                centre = torch.zeros_like(state[name][:, 0])
                total = total - self._is_centred(name) * path.log_prob(centre, times[:, 0], centre).sum(-1)
        return total

    def velocity(self, state: State, t: Tensor) -> dict[str, Tensor]:
        """Return dx/dt, t the sampling time; 0 at given sites, [B, N, *T] per factor."""
        rest = {name: torch.zeros_like(self._free_times(name, t)) for name in self.product}
        times = self.known.times({**rest, **{name: self._free_times(name, t) for name in self.factors}})
        predictions = predict(self.network, self.product, state, times, self.known.sites, None)
        found = {}
        for name in self.factors:
            factor, prediction, free = self.product[name], predictions[name], self.known.free(name)
            path = factor.process.path
            assert isinstance(prediction, ManifoldPrediction) and isinstance(path, LinearFlowPath)
            u = path.velocity(state[name], self._free_times(name, t), prediction.displacement())
            u = float(factor.clock.derivative(t)) * factor.project(u, self.known, name)
            found[name] = torch.where(expand_as(free, u), u, 0.0)
        return found

    def move(self, state: State, velocity: Mapping[str, Tensor], duration: Tensor | float) -> State:
        """Follow geodesics from x with these velocities."""
        moved = dict(state)
        for name, u in velocity.items():
            space = self.product[name].process.path.space
            assert isinstance(space, Manifold)
            moved[name] = space.exp(state[name], float(duration) * u)
        return moved

    def divergence(
        self, state: State, t: Tensor, like: Mapping[str, Tensor], noise: Noise
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the velocity, shaped as `like`, and an estimate of its divergence, [B]."""
        directions = {name: self._direction(name, tangent, noise) for name, tangent in like.items()}
        ahead = self.velocity(self.move(state, directions, _NUDGE), t)
        behind = self.velocity(self.move(state, directions, -_NUDGE), t)
        slopes = [(e * (ahead[name] - behind[name])).flatten(1).sum(-1) for name, e in directions.items()]
        velocity = {name: 0.5 * (ahead[name] + behind[name]) for name in directions}
        return velocity, torch.stack(slopes).sum(0) / (2 * _NUDGE)

    def _direction(self, name: str, like: Tensor, noise: Noise) -> Tensor:
        """Draw e uniformly from the sphere of radius sqrt(d) in the d dimensions that are free, [B, N, *T].

        E e e^T is the identity, and a multiple of it has its trace without noise, as the pull to the data has.
        """
        factor, free = self.product[name], self.known.free(name)
        e = factor.project(noise.normal(like.shape).to(like), self.known, name)
        e = torch.where(expand_as(free, e), e, 0.0)
        sites = free.sum(-1) - self._is_centred(name)
        radius = (sites * like[0, 0].numel()).sqrt()
        length = e.flatten(1).norm(dim=-1).clamp(min=torch.finfo(e.dtype).tiny)
        return expand_as(radius / length, e) * e

    def _is_centred(self, name: str) -> Tensor:
        """Tell, as 0 or 1, in which rows the law of a factor lives in the subspace of zero mean, [B]."""
        is_whole = (self.known.free(name) == self.known.sites.present).all(-1)
        return (is_whole & self.product[name].centred).long()

    def _free_times(self, name: str, t: Tensor) -> Tensor:
        """Return the path time of a factor at sampling time t, as if nothing were given: [B, N]."""
        present, values = self.known.sites.present, self.known.values[name]
        dtype = values.dtype if values.is_floating_point() else torch.float32
        return self.product[name].clock(t).to(device=present.device, dtype=dtype).expand(present.shape)
