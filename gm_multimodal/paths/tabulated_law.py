"""One-dimensional laws as tables over nodes: cumulative distribution, its inverse, draws."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

NODES = 513


@final
@dataclass(frozen=True)
class TabulatedLaw:
    """Laws on an interval, as many as rows; every query names its row.

    Attributes:
        nodes: increasing, [rows, K].
        cumulative: from 0 to 1, [rows, K].
        row: which law an entry of a query means, int64 [*B].
    """

    nodes: Tensor
    cumulative: Tensor
    row: Tensor

    @staticmethod
    def of_density(nodes: Tensor, density: Tensor, row: Tensor) -> "TabulatedLaw":
        """Integrate densities [rows, K] >= 0, normalised or not, by the trapezoid rule; uniform where one vanishes."""
        cells = cumulated(nodes, torch.where(density.amax(-1, keepdim=True) > 0, density, torch.ones_like(density)))
        return TabulatedLaw(nodes, cells / cells[..., -1:], row)

    def probability(self, x: Tensor) -> Tensor:
        """Return P(X <= x), [*B]."""
        return interpolate(x, self.nodes, self.cumulative, self.row)

    def quantile(self, q: Tensor) -> Tensor:
        """Return the q-quantile, [*B]; with q uniform in [0, 1), a draw."""
        return interpolate(q, self.cumulative, self.nodes, self.row)


def distinct(*times: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the distinct combinations of times [*B], each [rows], and the row of every entry, int64 [*B].

    In a simulation all sites share a few times, and the table of a law costs much more than a look at it.
    """
    stacked = torch.stack(torch.broadcast_tensors(*times)).double()
    values, row = torch.unique(stacked.flatten(1), dim=1, return_inverse=True)
    return tuple(values), row.view(stacked.shape[1:])


def cumulated(nodes: Tensor, values: Tensor) -> Tensor:
    """Return the integral from the first node, by the trapezoid rule, [rows, K]."""
    cells = 0.5 * (values[..., 1:] + values[..., :-1]) * nodes.diff(dim=-1)
    return functional.pad(cells.cumsum(-1), (1, 0))


def interpolate(x: Tensor, xs: Tensor, ys: Tensor, row: Tensor) -> Tensor:
    """Evaluate at x [*B] the piecewise linear functions through (xs, ys) [rows, K]; xs does not decrease along K.

    Every query is searched for in its own row, so that no bit of what it gets depends on the other rows.
    """
    nodes, x = xs.shape[-1], x.to(xs)
    first = nodes * row
    xs, ys = xs.flatten(), ys.flatten()
    # the first node beyond x, by bisection, or the last one
    left, right = first + 1, first + nodes - 1
    for _ in range((nodes - 1).bit_length()):
        middle = (left + right) // 2
        is_beyond = xs[middle] > x
        left, right = (
            torch.where(is_beyond, left, torch.minimum(middle + 1, right)),
            torch.where(is_beyond, middle, right),
        )
    x0, y0 = xs[right - 1], ys[right - 1]
    share = ((x - x0) / (xs[right] - x0).clamp(min=torch.finfo(xs.dtype).tiny)).clamp(0, 1)
    return y0 + share * (ys[right] - y0)
