"""Fréchet distance between sets of features (2-Wasserstein distance, squared, of normal laws; arXiv 1706.08500)."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d, d] of features, float64."""

    mean: Tensor
    covariance: Tensor

    @staticmethod
    def of(features: Tensor) -> "Moments":
        """Return the moments of features [N, d], N >= 2; the covariance is divided by N - 1."""
        assert features.ndim == 2 and len(features) >= 2, features.shape
        x = features.double()
        return Moments(x.mean(0), torch.cov(x.T).reshape(x.shape[1], x.shape[1]))

    def distance(self, other: "Moments") -> float:
        """Return |m - m'|^2 + tr(S + S' - 2 (S S')^1/2), never below 0."""
        root = _square_root(self.covariance)
        # S S' and S^1/2 S' S^1/2 have the same eigenvalues, and the latter is symmetric
        overlap = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp(min=0).sqrt().sum()
        spread = self.covariance.trace() + other.covariance.trace() - 2 * overlap
        return max(0.0, float((self.mean - other.mean).square().sum() + spread))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the distance of features [N, d] and [M, d]; it grows by about 1/N + 1/M where there are few of them.

    Compare distances of equal N alone, and beside that of as many real ones.
    """
    return Moments.of(a).distance(Moments.of(b))


def _square_root(symmetric: Tensor) -> Tensor:
    """Return the root of a positive semidefinite matrix; rounding's negative eigenvalues count as 0."""
    values, vectors = torch.linalg.eigh(symmetric)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
