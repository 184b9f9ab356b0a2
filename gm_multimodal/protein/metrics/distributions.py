"""How far the figures of a set of structures are from those of a reference: Frechet and Wasserstein distances."""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from gm_multimodal.frechet import frechet_distance

Floats = npt.NDArray[np.floating]

_GRID: Final = 360  # points of the circle, one for each degree
_SMALLEST: Final = 1e-9


def standardised_frechet_distance(first: Floats, second: Floats) -> float:
    """Squared Frechet distance of two samples, [K, F] and [M, F], every feature in its deviations in the second.

    So units do not matter. It is 0 for equal samples and grows, for small samples, with their noise.
    """
    spread = np.maximum(second.std(axis=0), _SMALLEST)
    return frechet_distance(torch.from_numpy(first / spread), torch.from_numpy(second / spread))


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
