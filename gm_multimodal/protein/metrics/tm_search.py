"""The search behind the TM-score: which motion and which pairing make it greatest, for hundreds of pairs at once.

As in TM-align (Zhang and Skolnick 2005), the best pairing for a motion (dynamic programming) and a better motion for a
pairing take turns, from many first superpositions; both can only raise the score. The motion for a pairing comes from
weighted least squares with weights 1 / (1 + d^2/d0^2)^2: the score is convex in d^2, so its tangent lies below it, and
a motion that improves the tangent improves the score.

First superpositions are cheap and many: those of all gapless pairings, and of fragments of one chain on fragments of
the other. A few are taken on, and of these fewer, by figures that cost more and more:

    gapless pairings     score of every third residue -> 6 -> score of all after two better motions -> 2
    fragments            score of the fragments -> 32 -> score of every third residue with whatever is nearest -> 12
    those 14             a turn with a cost of breaks -> 4 at most, none that is worse by 15 % -> two turns -> 1

Chains are [3, n, B]: B motions or pairs side by side ("lanes"). Every operation works on all of them and sums run over
residues one after another, so that a result depends neither on its neighbours nor on padding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.alignment import align
from gm_multimodal.protein.metrics.superposition import Motion, superpose

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_THIN: Final = 3
_SHIFT_CANDIDATES: Final = 6
_SHIFTS: Final = 2
_FRAGMENT_CANDIDATES: Final = 32
_FRAGMENTS: Final = 12
_FINALISTS: Final = 4
_NEAR_THE_BEST: Final = 0.85
_BREAK_COST: Final = 0.6  # of a gap in the first pairings, as TM-align has it; the last ones are free
_FRAGMENT: Final = 20  # residues
_FAR: Final = 1e18  # of padding in units of d0: its square is still a number in single precision
_LANES: Final = 384  # motions at once; their arrays about fill the cache of a core


@dataclass(frozen=True)
class Pairs:
    """Pairs of chains, padded to common sizes: a [3, n, P], b [3, m, P], and their lengths [P]; padding is 0."""

    a: Floats
    b: Floats
    rows: Integers
    columns: Integers

    @classmethod
    def of(cls, chains: Sequence[tuple[Floats, Floats]]) -> "Pairs":
        """Pad chains [L, 3], Angstrom, float32, about their centroids."""
        rows, columns = np.array([(len(a), len(b)) for a, b in chains]).T
        a = np.zeros((3, rows.max(), len(chains)), dtype=np.float32)
        b = np.zeros((3, columns.max(), len(chains)), dtype=np.float32)
        for k, (first, second) in enumerate(chains):
            a[:, : len(first), k], b[:, : len(second), k] = first.T, second.T
        return cls(a, b, rows, columns)

    def take(self, pairs: Integers) -> "Pairs":
        """Return the pairs at these places."""
        return Pairs(self.a.take(pairs, axis=2), self.b.take(pairs, axis=2), self.rows[pairs], self.columns[pairs])

    def scores(self) -> Floats:
        """TM-scores normalised by the first and the second chain, [P, 2]."""
        d0 = scale(np.minimum(self.rows, self.columns))
        pairs, motion = self._starts(d0)
        motion, reached = self._turns(pairs, motion, d0[pairs], (_BREAK_COST,))
        keep = _best_of_each(pairs, reached, _FINALISTS, near=_NEAR_THE_BEST)
        pairs, motion = pairs[keep], motion.take(keep)
        motion, reached = self._turns(pairs, motion, d0[pairs], (_BREAK_COST, 0.0))
        keep = _best_of_each(pairs, reached, 1)
        assert len(keep) == len(self.rows), "a pair without a superposition"
        motion, twice = motion.take(keep), np.tile(np.arange(len(keep)), 2)
        lengths = np.concatenate([self.rows, self.columns])
        _, reached = self._turns(twice, Motion.joined([motion, motion]), scale(lengths), (0.0,))
        return np.minimum(reached / lengths, 1.0).reshape(2, -1).T

    def _turns(self, pairs: Integers, motion: Motion, d0: Floats, costs: Sequence[float]) -> tuple[Motion, Floats]:
        """Let pairing and motion take turns, a turn for each cost of a break, for a motion of each of the pairs [B].

        Returns:
            The motions, and the sum of each score [B].
        """

        def turns(lanes: Integers) -> tuple[Motion, Floats]:
            chains, scales, moved = self.take(pairs[lanes]), d0[lanes], motion.take(lanes)
            for cost in costs:
                other, weights = chains._paired(moved, scales, cost)
                moved = climb(chains.a, other, weights, moved, scales, steps=4)
            return moved, sums(moved.apply(chains.a), other, weights, scales)

        return _in_portions(turns, len(pairs))

    def _paired(self, motion: Motion, d0: Floats, break_cost: float) -> tuple[Floats, Floats]:
        """Best pairing under a motion: partner of each residue of a [3, n, P], and 1 where there is one, else 0."""
        x, y = self._scaled(motion, d0)
        partners = align(_antidiagonals(x, y), x.shape[1], y.shape[1], x.shape[2], break_cost)
        is_paired = (partners >= 0) & (partners < self.columns) & _within(len(partners), self.rows)
        return _at(self.b, np.maximum(partners, 0), np.arange(len(d0))), is_paired.astype(np.float32)

    def _scaled(self, motion: Motion, d0: Floats) -> tuple[Floats, Floats]:
        """Both chains after the motion in units of d0, with padding far from everything."""
        x, y = motion.apply(self.a) / d0, self.b / d0
        x[0] += np.where(_within(x.shape[1], self.rows), np.float32(0.0), np.float32(_FAR))
        y[0] -= np.where(_within(y.shape[1], self.columns), np.float32(0.0), np.float32(_FAR))
        return x, y

    def _starts(self, d0: Floats) -> tuple[Integers, Motion]:
        """First superpositions that are taken on: which pair each is of, and the motions."""
        kinds = [self._shifts(d0), self._fragments(d0)]
        return np.concatenate([pairs for pairs, _ in kinds]), Motion.joined([motion for _, motion in kinds])

    def _shifts(self, d0: Floats) -> tuple[Integers, Motion]:
        """The best gapless pairings i -> i + shift of at least half of the shorter chain."""
        shortest = np.minimum(self.rows, self.columns)
        shifts = np.arange(1 - self.a.shape[1], self.b.shape[1])
        common = np.minimum(self.rows[:, None], self.columns[:, None] - shifts) - np.maximum(0, -shifts)
        pairs, which = np.nonzero(common >= np.maximum(shortest // 2, np.minimum(shortest, 5))[:, None])

        def first(lanes: Integers) -> tuple[Motion, Floats]:
            x, y, weights = self._shifted(pairs[lanes], shifts[which[lanes]], _THIN)
            motion = superpose(x, y, weights)
            return motion, sums(motion.apply(x), y, weights, d0[pairs[lanes]])

        motion, scores = _in_portions(first, len(pairs))
        keep = _best_of_each(pairs, scores, _SHIFT_CANDIDATES)
        pairs, which, motion = pairs[keep], which[keep], motion.take(keep)

        def better(lanes: Integers) -> tuple[Motion, Floats]:
            x, y, weights = self._shifted(pairs[lanes], shifts[which[lanes]], 1)
            moved = climb(x, y, weights, motion.take(lanes), d0[pairs[lanes]], steps=2)
            return moved, sums(moved.apply(x), y, weights, d0[pairs[lanes]])

        moved, scores = _in_portions(better, len(pairs))
        keep = _best_of_each(pairs, scores, _SHIFTS)
        return pairs[keep], moved.take(keep)

    def _shifted(self, pairs: Integers, shifts: Integers, every: int) -> tuple[Floats, Floats, Floats]:
        """Residues i of the first chains and i + shift of the second, [3, K, B], and 1 where both are, else 0."""
        i = np.arange(0, self.a.shape[1], every)[:, None]
        j = i + shifts
        fits = (i < self.rows[pairs]) & (j >= 0) & (j < self.columns[pairs])
        x, y = _at(self.a, i, pairs), _at(self.b, np.clip(j, 0, self.b.shape[1] - 1), pairs)
        return x, y, fits.astype(np.float32)

    def _fragments(self, d0: Floats) -> tuple[Integers, Motion]:
        """The best superpositions of a fragment of one chain on a fragment of the other."""
        [size] = set(fragment_sizes(self.rows, self.columns).tolist())
        first = np.arange(0, self.a.shape[1] - size + 1, max(size // 2, 1))
        second = np.arange(0, self.b.shape[1] - size + 1, max(size // 4, 1))
        fits = (first + size <= self.rows[:, None])[:, :, None] & (second + size <= self.columns[:, None])[:, None]
        pairs, start, other = np.nonzero(fits)
        within = np.arange(size)[:, None]

        def superposed(lanes: Integers) -> tuple[Motion, Floats]:
            some = pairs[lanes]
            x, y = _at(self.a, first[start[lanes]] + within, some), _at(self.b, second[other[lanes]] + within, some)
            ones = np.ones(x.shape[1:], dtype=np.float32)
            motion = superpose(x, y, ones)
            return motion, sums(motion.apply(x), y, ones, d0[some])

        motion, scores = _in_portions(superposed, len(pairs))
        keep = _best_of_each(pairs, scores, _FRAGMENT_CANDIDATES)
        pairs, motion = pairs[keep], motion.take(keep)
        motion, covered = _in_portions(lambda k: self._coverage(pairs[k], motion.take(k), d0[pairs[k]]), len(pairs))
        keep = _best_of_each(pairs, covered, _FRAGMENTS)
        return pairs[keep], motion.take(keep)

    def _coverage(self, pairs: Integers, motion: Motion, d0: Floats) -> tuple[Motion, Floats]:
        """Sum over every third residue of its score with the nearest of every second residue: no order, but quick."""
        thin = Pairs(self.a[:, ::_THIN], self.b[:, ::2], -(-self.rows // _THIN), -(-self.columns // 2))
        x, y = thin.take(pairs)._scaled(motion, d0)
        differences, scores = np.empty_like(y), np.empty_like(y[0])
        covered = np.zeros(len(pairs), dtype=np.float32)
        for k in range(x.shape[1]):
            covered += _pair_scores(x[:, k : k + 1], y, differences, scores).max(axis=0)
        return motion, covered


def fragment_sizes(rows: Integers, columns: Integers) -> Integers:
    """Residues of the fragments of pairs of chains of these lengths, [P]."""
    shortest = np.minimum(rows, columns)
    return np.maximum(np.minimum(_FRAGMENT, shortest // 2), np.minimum(shortest, 4))


def scale(lengths: npt.ArrayLike) -> Floats:
    """d0(L) in Angstrom, at least 0.5, of lengths [...]."""
    return np.maximum(1.24 * np.cbrt(np.asarray(lengths, dtype=np.float64) - 15.0) - 1.8, 0.5).astype(np.float32)


def climb(x: Floats, y: Floats, weights: Floats, motion: Motion, d0: Floats, steps: int) -> Motion:
    """Raise the score of a pairing of points [3, K, B] by weighted least squares; weights [K, B] are 0 or 1."""
    for _ in range(steps):
        motion = superpose(x, y, weights / (1.0 + _squares(motion.apply(x), y, d0)) ** 2)
    return motion


def sums(x: Floats, y: Floats, weights: Floats, d0: Floats) -> Floats:
    """Sum of 1 / (1 + d^2/d0^2) over the pairs of points [3, K, B], [B]."""
    return np.sum(weights / (1.0 + _squares(x, y, d0)), axis=0, dtype=np.float64)


def _squares(x: Floats, y: Floats, d0: Floats) -> Floats:
    difference = (x - y) / d0
    return np.einsum("ckp,ckp->kp", difference, difference)


def _antidiagonals(x: Floats, y: Floats) -> Iterator[Floats]:
    """Scores of points [3, n, B] with points [3, m, B], antidiagonal by antidiagonal as `align` takes them."""
    n, m = x.shape[1], y.shape[1]
    backwards = np.ascontiguousarray(y[:, ::-1])  # an antidiagonal is a slice of both
    differences, scores = np.empty_like(x), np.empty_like(x[0])
    for diagonal in range(n + m - 1):
        first, last = max(0, diagonal - m + 1), min(n - 1, diagonal)
        count, start = last - first + 1, m - 1 - diagonal + first
        partners = backwards[:, start : start + count]
        yield _pair_scores(x[:, first : last + 1], partners, differences[:, :count], scores[:count])


def _pair_scores(x: Floats, y: Floats, differences: Floats, scores: Floats) -> Floats:
    """1 / (1 + |x - y|^2) of points [3, K, B], written into scores [K, B] by way of differences [3, K, B]."""
    np.subtract(x, y, out=differences)
    np.multiply(differences, differences, out=differences)
    np.add(differences[0], differences[1], out=scores)
    scores += differences[2]
    scores += 1.0
    return np.reciprocal(scores, out=scores)


def _at(points: Floats, residues: Integers, pairs: Integers) -> Floats:
    """Residues [K, B] of pairs [B] of points [3, n, P], [3, K, B]."""
    return points.reshape(3, -1).take(residues * points.shape[2] + pairs, axis=1)


def _in_portions(compute: Callable[[Integers], tuple[Motion, Floats]], count: int) -> tuple[Motion, Floats]:
    """Motions and scores of lanes 0 ... count - 1, computed for as many at once as the cache holds.

    A lane that is left alone is computed twice: numpy adds up a single one in another order.
    """
    portions = np.split(np.arange(count), range(_LANES, count, _LANES))
    parts = [compute(lanes if len(lanes) > 1 else lanes.repeat(2)) for lanes in portions]
    every = np.arange(count)
    return Motion.joined([motion for motion, _ in parts]).take(every), np.concatenate([own for _, own in parts])[every]


def _within(size: int, lengths: Integers) -> Bools:
    """Return which of `size` padded places belong to chains of these lengths, [size, P]."""
    return np.arange(size)[:, None] < lengths


def _best_of_each(pairs: Integers, scores: Floats, count: int, near: float = 0.0) -> Integers:
    """Places of the highest scores of each pair, at most count and at least a share of its best; pair by pair."""
    order = np.lexsort((-scores, pairs))
    ordered = pairs[order]
    starts = np.searchsorted(ordered, ordered)
    is_good = scores[order] >= near * scores[order[starts]]
    return order[(np.arange(len(order)) - starts < count) & is_good]
