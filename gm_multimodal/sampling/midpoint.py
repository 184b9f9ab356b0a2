"""Flows to second order, without a second simulation loop."""

from collections.abc import Mapping
from types import EllipsisType
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.network import Network, checked
from gm_multimodal.product import Product, State
from gm_multimodal.sampling.grids import TimeGrid
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean

Place = tuple[EllipsisType | int, ...]
"""Index into what a network emits for a factor, [B, N, *output_shape]."""


@final
class MidpointVelocity:
    """A network that says of the velocity what it is in the middle of the step: two calls, one step of second order.

    It is called at the beginning of the step, and once more half way along the velocities that it gave there.
    Everything but the velocity is that of the beginning. No call is made with what is generated at t = 1, which
    training never showed.

    Args:
        network: the network.
        product: its factors live in R^d, and what the network emits for each holds its velocity; the clocks tell the
            path times of the grid.
        grid: of the simulation.
        velocity: where the velocity [B, N, d] stands in what is emitted; everything, if left out.
        once_at_last: make the last step with one call, to first order.
    """

    def __init__(
        self,
        network: Network,
        product: Product,
        grid: TimeGrid,
        velocity: Place = (...,),
        *,
        once_at_last: bool = False,
    ) -> None:
        for name, factor in product.items():
            expect(self, f"space of {name}", factor.process.path.space, Euclidean)
        self.network, self.product, self.velocity, self.once_at_last = network, product, velocity, once_at_last
        # One by one and in single precision, as the sampler makes them, so that its times are found among them.
        self.times = {
            name: torch.stack([factor.clock(s) for s in grid.times()]).to(torch.float32)
            for name, factor in product.items()
        }

    def __call__(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return the output of the first call with the velocities of the second."""
        first = checked(self.network(state, times, sites, previous), self.product, times)
        middle, halfway, are_last = {}, {}, []
        for name, x in state.items():
            grid, t = self.times[name].to(x.device), times[name].contiguous()
            following = torch.searchsorted(grid, t, right=True).clamp(max=len(grid) - 1)
            half = 0.5 * (grid[following] - t)
            middle[name] = x + half[..., None] * first[name][self.velocity]
            halfway[name] = t + half
            are_last.append(bool((following == len(grid) - 1).all()))
        if self.once_at_last and all(are_last):
            return first
        second = self.network(middle, halfway, sites, previous)
        output = {name: x.clone() for name, x in first.items()}
        for name, x in output.items():
            x[self.velocity] = second[name][self.velocity]
        return output
