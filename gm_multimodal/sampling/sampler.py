"""The only simulation loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from gm_multimodal.checks import check_clean, check_known
from gm_multimodal.errors import expect
from gm_multimodal.network import Network, means, predict
from gm_multimodal.noise import NoiseSource, SharedNoise
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.product import Known, Product, State
from gm_multimodal.sampling.grids import TimeGrid, UniformGrid
from gm_multimodal.sites import Sites

PRIOR_STEP = -1
"""Number of the step whose noise streams draw the prior."""


@final
@dataclass(frozen=True)
class Step:
    """One step as observers see it.

    Attributes:
        number: 0, 1, ...
        state: before the step.
        predictions: what the network said of z there.
        next_state: after the step.
    """

    number: int
    state: State
    predictions: Mapping[str, Prediction]
    next_state: State


class Observer(Protocol):
    """Sees every step, changes none."""

    def __call__(self, step: Step) -> None:
        """Take note of a step."""
        ...


@final
@dataclass(frozen=True)
class Sampler:
    """Simulates the product process to t = 1, one network call a step: from the prior, or from data noised to a time.

    Every factor runs on its own clock; all factors move at once from one prediction (arXiv 2410.20587, prop. 4).

    Attributes:
        grid: sampling times. Where they begin after t = 0, the simulation begins at a draw of the paths' p_t(. | z), z
            the values of `known`, which must then be clean points at every site.
    """

    grid: TimeGrid

    def __post_init__(self) -> None:
        """Refuse what is not a grid."""
        expect(self, "grid", self.grid, TimeGrid)

    @torch.inference_mode()
    def __call__(
        self,
        network: Network,
        product: Product,
        known: Known,
        noise: NoiseSource,
        observers: Sequence[Observer] = (),
    ) -> State:
        """Draw a state at t = 1 given what is known.

        Args:
            network: the network, called in inference mode.
            product: the factors.
            known: what is given, and of which sites.
            noise: streams per step and factor.
            observers: called after every step, in order.

        Returns:
            The final state, [B, N, *E] per factor.

        Raises:
            ValueError: values or masks are not those of the factors at these sites; naming both.
            IncompatibleProcess: the network's output is not what the factors read; naming both.
        """
        expect(self, "network", network, Network)
        expect(self, "noise", noise, NoiseSource)
        grid = self.grid.times()
        check_known(product, known, everywhere=bool(grid[0] > 0))
        state = self._start(product, known, grid[0], noise)
        previous: State | None = None
        for number in range(len(grid) - 1):
            times = self._times(product, known, grid[number])
            next_times = self._times(product, known, grid[number + 1])
            predictions = predict(network, product, state, times, known.sites, previous)
            moved = {
                k: f.process.transition(state[k], times[k], next_times[k], predictions[k], noise.at(number, k))
                for k, f in product.items()
            }
            next_state = known.overwrite({k: f.project(moved[k], known, k) for k, f in product.items()})
            for observer in observers:
                observer(Step(number, state, predictions, next_state))
            state, previous = next_state, means(predictions)
        return state

    def _start(self, product: Product, known: Known, t: Tensor, noise: NoiseSource) -> State:
        """Draw the prior, and on from it the values noised to sampling time t."""
        times, state = self._times(product, known, t), {}
        for name, factor in product.items():
            stream = noise.at(PRIOR_STEP, name)
            state[name] = factor.prior(known, name, stream)
            if t > 0:
                path = factor.process.path
                state[name] = path.sample(state[name], known.values[name].to(state[name]), times[name], stream)
        return known.overwrite(state)

    @staticmethod
    def _times(product: Product, known: Known, t: Tensor) -> Mapping[str, Tensor]:
        """Return the path times [B, N] of every factor at sampling time t, in single precision."""
        shape, device = known.sites.present.shape, known.sites.present.device
        clocks = {k: f.clock(t).to(device=device, dtype=torch.float32).expand(shape) for k, f in product.items()}
        return known.times(clocks)


def sample(
    network: Network,
    product: Product,
    *,
    sites: int | None = None,
    count: int | None = None,
    steps: int = 100,
    seed: int = 0,
    known: Known | None = None,
    device: torch.device | str = "cpu",
) -> State:
    """Draw samples in equal steps, from the prior to t = 1.

    Args:
        network: the network, on `device`.
        product: the factors.
        sites: sites of each sample; those of `known` if that is given.
        count: how many samples; as many as `known` has rows if that is given.
        steps: network calls.
        seed: determines the samples, together with everything else here.
        known: what is given, if anything is.
        device: where to compute; where `known` is if that is given.

    Returns:
        The samples, [count, sites, *E] per factor. `Sampler` takes other times, streams of draws and observers.

    Raises:
        ValueError: neither the shape nor what is known is given, or both are and differ; or what is known is not of the
            factors.
        IncompatibleProcess: the network's output is not what the factors read; naming both.
    """
    if known is None:
        if sites is None or count is None:
            raise ValueError(f"sample: sites={sites}, count={count}; give both, or `known`.")
        known = Known({}, {}, Sites.all_present(count, sites, device))
    rows, columns = known.sites.present.shape
    if (count or rows, sites or columns) != (rows, columns):
        raise ValueError(
            f"sample: known has {rows} rows of {columns} sites, but count={count} and sites={sites}; leave them out."
        )
    check_known(product, known, everywhere=False)
    check_clean(product, known, everywhere=False)
    noise = SharedNoise.keyed(seed, device=known.sites.present.device)
    return Sampler(UniformGrid(steps))(network, product, known, noise)
