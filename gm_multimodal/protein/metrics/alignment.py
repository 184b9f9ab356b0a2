"""The best order-preserving pairing of two chains, for many pairs of chains at once."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]

# what the best sum up to a pair of residues comes from: bits that are set, or the border of the table
_IS_PAIRED: Final = 1  # the pair is the last one of it
_CONTINUES: Final = 2  # and follows on the pair before on both chains
_IS_ABOVE: Final = 4  # else: the best sum without this residue of the first chain, not of the second
_BORDER: Final = 8
_CODES: Final = 9


def align(antidiagonals: Iterable[Floats], rows: int, columns: int, lanes: int, break_cost: float) -> Integers:
    """Pairings i -> j(i), strictly increasing, that maximise sum_i s[i, j(i)] - break_cost x (number of breaks).

    A break lies between two consecutive pairs that do not continue each other on both chains; the ends are free. With
    M[i, j] the best sum that ends with the pair (i, j), and C[i, j] the largest M up to i and j,
    M[i, j] = s[i, j] + max(M[i-1, j-1], C[i-1, j-1] - cost), with 0 outside. What one antidiagonal i + j = d needs lies
    on the two before, so that all of it, in all lanes, is computed at once.

    Args:
        antidiagonals: s >= 0 of i + j = 0, 1, ... in order of i, each [k, B]; an array may be reused for the next one.
        rows: residues n of the first chain.
        columns: residues m of the second.
        lanes: pairs of chains B.
        break_cost: at least 0.

    Returns:
        Partner of each residue of the first chain, [n, B] in 0 ... m - 1, or -1 for none.
    """
    # places are numbered from 1; row 0 and all that is not yet written is the border
    codes = np.full((rows + columns + 1, rows + 1, lanes), _BORDER, dtype=np.uint8)
    ending, ending1, ending2 = np.zeros((3, rows + 1, lanes), dtype=np.float32)
    best, best1, best2 = np.zeros((3, rows + 1, lanes), dtype=np.float32)
    broken, bits = np.empty((rows, lanes), dtype=np.float32), np.empty((rows, lanes), dtype=np.uint8)
    for diagonal, scores in enumerate(antidiagonals, start=2):
        first, last = max(1, diagonal - columns), min(rows, diagonal - 1)
        here, above = slice(first, last + 1), slice(first - 1, last)
        code, before, bit = codes[diagonal, here], broken[: last - first + 1], bits[: last - first + 1]
        np.subtract(best2[above], break_cost, out=before)
        np.greater_equal(ending2[above], before, out=bit.view(np.bool_))
        np.multiply(bit, _CONTINUES, out=code)
        np.maximum(before, ending2[above], out=before)
        np.add(before, scores, out=ending[here])
        np.greater_equal(best1[above], best1[here], out=bit.view(np.bool_))
        bit *= _IS_ABOVE
        code |= bit
        np.maximum(best1[above], best1[here], out=best[here])
        np.greater(ending[here], best[here], out=bit.view(np.bool_))
        code |= bit
        np.maximum(best[here], ending[here], out=best[here])
        ending, ending1, ending2 = ending2, ending, ending1
        best, best1, best2 = best2, best, best1
    return _trace_back(codes)


def _trace_back(codes: npt.NDArray[np.uint8]) -> Integers:
    """Read the pairing off the table of `align`, [n + m + 1, n + 1, B], from its last place to the border."""
    diagonals, places, lanes = codes.shape
    is_pair, up, left, binds = _moves()
    back = ((up + left) * places + up) * lanes
    partners = np.full((places, lanes), -1, dtype=np.int64)
    flat, pairings, lane = codes.reshape(-1), partners.reshape(-1), np.arange(lanes)
    place = ((diagonals - 1) * places + places - 1) * lanes + lane
    row, column, bound = (
        (places - 1) * lanes + lane,
        np.full(lanes, diagonals - places),
        np.zeros(lanes, dtype=np.int64),
    )
    while (code := flat.take(place)).min() < _BORDER:
        move = code + bound
        pairings[row] = column * is_pair.take(move) - 1  # what is written last in a row is its partner, or none
        place -= back.take(move)
        row -= lanes * up.take(move)
        column -= left.take(move)
        bound = binds.take(move)
    return partners[1:]


def _moves() -> Integers:
    """What each code means on the way back, first where all is free, then where the place is bound to be a pair.

    Returns:
        Whether it is a pair, rows and columns to go back, and what to add to the next code, [4, 18].
    """
    moves = np.zeros((4, 2 * _CODES), dtype=np.int64)
    for bound in (False, True):
        for code in range(_BORDER):
            is_pair, is_above = bound or bool(code & _IS_PAIRED), bool(code & _IS_ABOVE)
            binds = _CODES if is_pair and code & _CONTINUES else 0
            moves[:, code + bound * _CODES] = is_pair, is_pair or is_above, is_pair or not is_above, binds
    return moves
