"""How far the figures of a set of structures are from those of a reference: Frechet and Wasserstein distances."""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

_GRID: Final = 360  # points of the circle, one for each degree
_SMALLEST: Final = 1e-9


def frechet_distance(first: Floats, second: Floats) -> float:
    """Squared Frechet distance of two Gaussians with the means and covariances of two samples, [K, F] each.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), every feature over its standard deviation in the second
    sample, so that units do not matter. It is 0 for equal samples and grows, for small samples, with their noise.
    """
    spread = np.maximum(second.std(axis=0), _SMALLEST)
    x, y = first / spread, second / spread
    root = _root(np.atleast_2d(np.cov(x, rowvar=False)))
    other = np.atleast_2d(np.cov(y, rowvar=False))
    shift = float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))
    overlap = float(np.trace(_root(root @ other @ root)))
    return max(0.0, shift + float(np.trace(root @ root)) + float(np.trace(other)) - 2.0 * overlap)


def wasserstein_distance(first: Floats, second: Floats) -> float:
    """Mean distance over which one sample must be moved to become the other, [K] and [M], in their unit."""
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    points.sort()
    below = [np.searchsorted(values, points[:-1], side="right") / len(values) for values in (first, second)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(points)))


def circular_wasserstein_distance(first: Floats, second: Floats) -> float:
    """The same for angles (degrees) on the circle, counted in bins of one degree.

    On a circle the cumulative shares may start anywhere; the best start makes the median of their difference zero.
    """
    shares = [
        np.bincount(np.floor(values % 360.0).astype(np.int64) % _GRID, minlength=_GRID) for values in (first, second)
    ]
    difference = np.cumsum(shares[0] / shares[0].sum() - shares[1] / shares[1].sum())
    return float(np.sum(np.abs(difference - np.median(difference)))) * 360.0 / _GRID


def _root(matrix: Floats) -> Floats:
    """Square root of a symmetric matrix without negative eigenvalues, but for rounding."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
