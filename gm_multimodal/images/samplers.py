"""The samplers of the benchmark by name: what moves the pixels, on which clock, and by how many calls a step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor, nn

from gm_multimodal.images.dataset import levels_of
from gm_multimodal.images.heads import VELOCITY
from gm_multimodal.images.product import Pixels
from gm_multimodal.network import Network, named
from gm_multimodal.noise import SharedNoise
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.base import Process
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.flow_with_rates import FlowWithRates
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.langevin import noisy_flow
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.product import State
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.midpoint import MidpointVelocity
from gm_multimodal.sampling.sampler import Observer, Sampler
from gm_multimodal.schedules import Exponential, Linear, Schedule
from gm_multimodal.sites import Sites


@final
@dataclass(frozen=True)
class Settings:
    """What samplers can be told.

    Attributes:
        jump: a, the weight of jumps in a superposition, from 0 to 1.
        noise: g^2 of the stochastic differential equation.
        late: how much finer late steps of jumps are: of the time that is left, a simulation has taken
            1 - exp(-late s) at sampling time s, up to a factor; 0 makes all steps equal. Rates grow like 1 / (1 - t),
            and a jump lands within 1 - t of its mean.
    """

    jump: float
    noise: float
    late: float


@final
@dataclass(frozen=True)
class Method:
    """How one sampler simulates.

    Attributes:
        process: made of the path and the settings.
        calls: network calls of a step: 1, or 2 where the velocity is that of the middle of the step.
        is_late: whether late steps are finer; those of a flow, with or without noise, are best equal.
    """

    process: Callable[[GaussianPath, Settings], Process]
    calls: int = 1
    is_late: bool = True

    def clock(self, settings: Settings) -> Schedule:
        """Return path time as a function of sampling time."""
        return Exponential(settings.late) if self.is_late and settings.late > 0 else Linear()


METHODS: Final[dict[str, Method]] = {
    "flow": Method(lambda path, _: Flow(path), is_late=False),
    "flow-second-order": Method(lambda path, _: Flow(path), calls=2, is_late=False),
    "sde": Method(lambda path, settings: noisy_flow(path, settings.noise), is_late=False),
    "jump-euler": Method(lambda path, _: RateJump(path, "euler")),
    "jump-improved": Method(lambda path, _: RateJump(path, "improved")),
    "jump-coupling": Method(lambda path, _: Jump(path)),
    "superposition": Method(lambda path, settings: FlowWithRates(path, settings.jump)),
    "mixed": Method(lambda path, settings: FlowWithRates(path, settings.jump), calls=2),
}
"""Name -> method. `jump-euler` and `jump-improved` follow the rates, `jump-coupling` the posterior of z."""


@final
@dataclass(frozen=True)
class ImageSampler:
    """Draws images in blocks of one size; a block depends on the seed and its number alone.

    Attributes:
        name: of the method.
        calls: network calls, 1 or more; a method of two calls a step makes its last step with one if they are odd.
        settings: what the method can be told.
        rows: images of a block.
        precision: in which the network computes.
        device: where it is.
    """

    name: str
    calls: int
    settings: Settings
    rows: int
    precision: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def block(
        self, network: nn.Module, pixels: Pixels, seed: int, number: int, observers: Sequence[Observer] = ()
    ) -> Tensor:
        """Return block `number`, uint8 levels [rows, C, H, W].

        States between the prior and the data lie in all of R^C, so that nothing is cut off before the end, where a
        channel takes the nearest of its levels.
        """
        method = METHODS[self.name]
        grid = UniformGrid(-(-self.calls // method.calls))
        product = pixels.product(method.process(pixels.path, self.settings), method.clock(self.settings))
        called: Network = _InPrecision(network, self.precision, self.device.type)
        if method.calls == 2:
            called = MidpointVelocity(called, product, grid, (..., VELOCITY), once_at_last=self.calls % 2 == 1)
        known = pixels.blank(self.rows, self.device)
        noise = SharedNoise.keyed(seed, number, device=self.device)
        state = Sampler(grid)(called, product, known, noise, observers)
        return levels_of(pixels.images(state), pixels.levels).cpu()

    def images(self, network: nn.Module, pixels: Pixels, seed: int, count: int, done: Callable[[int], None]) -> Tensor:
        """Return the first `count` images of a seed, uint8 [count, C, H, W]; tells `done` how many a block had."""
        blocks = []
        for number in range(-(-count // self.rows)):
            blocks.append(self.block(network, pixels, seed, number))
            done(len(blocks[-1]))
        return torch.cat(blocks)[:count]


@final
@dataclass(frozen=True)
class _InPrecision:
    """A network that computes in a precision of its own and answers in single precision."""

    network: nn.Module
    precision: torch.dtype
    device: str

    def __call__(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Call the network."""
        with torch.autocast(self.device, self.precision, enabled=self.precision != torch.float32):
            output = self.network(state, times, sites, previous)
        return {name: x.to(torch.float32) for name, x in named(output).items()}
