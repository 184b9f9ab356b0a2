"""Flows to second order, without a second simulation loop."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from gm_multimodal.images.heads import VELOCITY
from gm_multimodal.images.unet import PIXELS
from gm_multimodal.network import Network
from gm_multimodal.product import Factor, State
from gm_multimodal.sampling.grids import TimeGrid
from gm_multimodal.sites import Sites


@final
class MidpointVelocity:
    """A network that says of the velocity what it is in the middle of the step: two calls, one step of second order.

    It is called at the beginning of the step, and once more half way along the velocity that it gave there. Everything
    but the velocity is that of the beginning. No call is made at t = 1, which training never showed.

    Args:
        network: the network.
        factor: its clock tells the path times of the grid.
        grid: of the simulation.
        once_at_last: make the last step with one call, to first order.
    """

    def __init__(self, network: Network, factor: Factor, grid: TimeGrid, *, once_at_last: bool = False) -> None:
        self.network, self.once_at_last = network, once_at_last
        # One by one and in single precision, as the sampler makes them, so that its times are found among them.
        self.times = torch.stack([factor.clock(t) for t in grid.times()]).to(torch.float32)

    def __call__(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return the output of the first call with the velocity of the second."""
        t, x = times[PIXELS].contiguous(), state[PIXELS]
        first = self.network(state, times, sites, previous)[PIXELS]
        following = torch.searchsorted(self.times.to(t.device), t, right=True).clamp(max=len(self.times) - 1)
        if self.once_at_last and bool((following == len(self.times) - 1).all()):
            return {PIXELS: first}
        half = 0.5 * (self.times.to(t.device)[following] - t)
        middle = x + half[..., None] * first[..., VELOCITY]
        second = self.network({PIXELS: middle}, {PIXELS: t + half}, sites, previous)[PIXELS]
        output = first.clone()
        output[..., VELOCITY] = second[..., VELOCITY]
        return {PIXELS: output}
