"""Structures compared with each other: the matrix of TM-scores, clusters, and how like one another they are."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.tm_score import tm_scores

SAME_FOLD: Final = 0.5
"""TM-score from which two structures usually have one fold (Xu and Zhang 2010)."""

Floats = npt.NDArray[np.floating]


def tm_matrix(structures: Sequence[Floats], *, progress: Callable[[int], object] = lambda done: None) -> Floats:
    """TM-scores of all pairs, [K, K]; entry (i, j) is normalised by the length of i, the diagonal is 1.

    Args:
        structures: Alpha carbons [L, 3] or backbones [L, 4, 3], Angstrom.
        progress: Called with the number of pairs that are done, again and again.
    """
    first, second = np.triu_indices(len(structures), k=1)
    pairs = list(combinations(structures, 2))
    scores = tm_scores(pairs, progress=progress)
    matrix = np.eye(len(structures))
    matrix[first, second], matrix[second, first] = scores.T
    return matrix


def tm_clusters(structures: Sequence[Floats], threshold: float = SAME_FOLD) -> npt.NDArray[np.int64]:
    """Number of the cluster of each structure, [K], from 0, the largest first; see `clusters_of`."""
    return clusters_of(tm_matrix(structures), threshold)


def clusters_of(matrix: Floats, threshold: float = SAME_FOLD) -> npt.NDArray[np.int64]:
    """Greedy clusters, [K]: the structure with the most others like it takes them along; again among those left.

    Two structures are alike where the mean of the two entries of the matrix reaches the threshold.

    Args:
        matrix: TM-scores, [K, K].
        threshold: At which two structures are alike.
    """
    is_like = symmetric(matrix) >= threshold
    np.fill_diagonal(is_like, True)
    labels = np.full(len(matrix), -1, dtype=np.int64)
    number = 0
    while (free := labels < 0).any():
        count = np.where(free, (is_like & free[None]).sum(axis=1), -1)
        members = is_like[int(np.argmax(count))] & free
        labels[members] = number
        number += 1
    return labels


def symmetric(matrix: Floats) -> Floats:
    """Mean of the two normalisations, [K, K]."""
    return (matrix + matrix.T) / 2.0


def mean_pairwise(matrix: Floats) -> float | None:
    """Mean TM-score of two different structures; None for less than two."""
    count = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (count * (count - 1))) if count > 1 else None
