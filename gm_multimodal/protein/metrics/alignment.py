"""The best order-preserving pairing of two chains, for many pairs of chains at once."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]


def align(scores: Floats, break_cost: float) -> Integers:
    """Pairings i -> j(i), strictly increasing, that maximise sum_i s[i, j(i)] - break_cost x (number of breaks).

    A break lies between two consecutive pairs that do not continue each other on both chains; the ends are free. With
    M[i, j] the best sum that ends with the pair (i, j), and C[i, j] the largest M up to i and j,
    M[i, j] = s[i, j] + max(M[i-1, j-1], C[i-1, j-1] - cost, 0); both are computed for whole rows at once.

    Args:
        scores: s >= 0, [B, n, m]; 0 for padding, whose pairs mean nothing.
        break_cost: at least 0.

    Returns:
        Partner of each residue of the first chain, [B, n] in 0 ... m - 1, or -1 for none.
    """
    batch, rows, columns = scores.shape
    # one row and column of zeros before the first: nothing is paired yet
    ending = np.zeros((rows + 1, batch, columns + 1), dtype=scores.dtype)
    best = np.zeros_like(ending)
    before = np.empty((batch, columns), dtype=scores.dtype)
    for row in range(rows):
        np.subtract(best[row, :, :-1], break_cost, out=before)
        np.maximum(before, ending[row, :, :-1], out=before)
        np.maximum(before, 0, out=before)
        np.add(before, scores[:, row], out=ending[row + 1, :, 1:])
        np.maximum(best[row], ending[row + 1], out=best[row + 1])
        np.maximum.accumulate(best[row + 1], axis=1, out=best[row + 1])
    return _trace_back(ending, best, break_cost)


def _trace_back(ending: Floats, best: Floats, break_cost: float) -> Integers:
    """Read the pairing off the tables of `align`, [n + 1, B, m + 1], from the last row to the first."""
    rows, batch, columns = len(ending) - 1, ending.shape[1], ending.shape[2] - 1
    every = np.arange(batch)
    partners = np.full((batch, rows), -1, dtype=np.int64)
    column = np.full(batch, columns)  # pairs left of it and on it are still free
    continues = np.zeros(batch, dtype=bool)  # the pair (row, column) itself was taken
    for row in range(rows, 0, -1):
        value = best[row, every, column]
        is_paired = continues | (value > best[row - 1, every, column])
        first = np.argmax(best[row] >= value[:, None], axis=1)
        paired = np.where(continues, column, first)
        partners[is_paired, row - 1] = paired[is_paired] - 1
        left = np.maximum(paired - 1, 0)
        straight, broken = ending[row - 1, every, left], best[row - 1, every, left] - break_cost
        continues = is_paired & (straight >= broken) & (straight > 0)
        goes_on = continues | (broken > 0)
        column = np.where(is_paired, np.where(goes_on, left, 0), column)
    return partners
