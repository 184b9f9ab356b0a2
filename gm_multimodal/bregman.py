"""Bregman divergences D(a, b) = phi(a) - phi(b) - <a - b, grad phi(b)>: losses that conditional targets can fit.

A loss has the same gradient against a conditional target as against its posterior mean if, and only if, it is a Bregman
divergence in its first argument (Generator Matching, arXiv 2410.20587, proposition 2).
"""

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor


class Bregman(Protocol):
    """A divergence on a convex domain; the last axis is summed over."""

    def phi(self, a: Tensor) -> Tensor:
        """Return the convex function, [*B, n] -> [*B]."""
        ...

    def contains(self, a: Tensor) -> Tensor:
        """Return which rows lie in the domain of the first argument, bool [*B]."""
        ...

    def divergence(self, a: Tensor, b: Tensor) -> Tensor:
        """Return D(a, b) >= 0, zero only at a = b, [*B]; b in the interior of the domain."""
        ...


@final
@dataclass(frozen=True)
class SquaredNorm:
    """phi(a) = |a|^2 on R^n, D(a, b) = |a - b|^2: drifts, diffusions, endpoints."""

    def phi(self, a: Tensor) -> Tensor:
        """Return |a|^2, [*B]."""
        return a.square().sum(-1)

    def contains(self, a: Tensor) -> Tensor:
        """Return True wherever a is finite, bool [*B]."""
        return a.isfinite().all(-1)

    def divergence(self, a: Tensor, b: Tensor) -> Tensor:
        """Return |a - b|^2, [*B]."""
        return (a - b).square().sum(-1)


@final
@dataclass(frozen=True)
class GeneralisedKL:
    """phi(a) = sum a log a on a >= 0, D(a, b) = sum a log(a / b) - a + b: rates; an evidence lower bound (app. D.2)."""

    def phi(self, a: Tensor) -> Tensor:
        """Return sum a log a, [*B]."""
        return torch.special.xlogy(a, a).sum(-1)

    def contains(self, a: Tensor) -> Tensor:
        """Return True where no entry is negative, bool [*B]."""
        return (a >= 0).all(-1)

    def divergence(self, a: Tensor, b: Tensor) -> Tensor:
        """Return sum a log(a / b) - a + b, [*B]."""
        return self.divergence_from_log(a, b.log())

    def divergence_from_log(self, a: Tensor, log_b: Tensor) -> Tensor:
        """Return D(a, b) given log b, which a network emits, [*B]."""
        # a = 0 has no term in log b, even where b = 0.
        return (torch.special.xlogy(a, a) - torch.where(a > 0, a * log_b, 0.0) - a + log_b.exp()).sum(-1)


@final
@dataclass(frozen=True)
class NegativeEntropy:
    """phi(a) = sum a log a on the simplex, D(a, b) = KL(a | b): posteriors; the cross-entropy up to a constant."""

    tolerance: float = 1e-5

    def phi(self, a: Tensor) -> Tensor:
        """Return sum a log a, [*B]."""
        return torch.special.xlogy(a, a).sum(-1)

    def contains(self, a: Tensor) -> Tensor:
        """Return True where a is a probability vector, bool [*B]."""
        return (a >= 0).all(-1) & ((a.sum(-1) - 1).abs() <= self.tolerance)

    def divergence(self, a: Tensor, b: Tensor) -> Tensor:
        """Return KL(a | b), [*B]."""
        return (torch.special.xlogy(a, a) - torch.where(a > 0, a * b.log(), 0.0)).sum(-1)
