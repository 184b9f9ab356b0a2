"""TM-score (Zhang and Skolnick 2004): how much of one fold is found in another, whatever their sequences.

    TM(a, b) = max over rigid motions and order-preserving pairings of  1/L sum_pairs 1 / (1 + d^2 / d0(L)^2)

with the distances d of paired alpha carbons, L the length that normalises (here always that of one of the two) and
d0(L) = 1.24 (L - 15)^(1/3) - 1.8 Angstrom, at least 0.5. It is 1 for equal chains; above 0.5 the folds are usually the
same.

The maximum is searched as the idea of TM-align (Zhang and Skolnick 2005) has it, for hundreds of pairs at once: from
many first superpositions, the best pairing for a motion (dynamic programming) and a better motion for a pairing take
turns. The motion for a pairing comes from weighted least squares with weights 1 / (1 + d^2/d0^2)^2: the score is convex
in d^2, so its tangent lies below it, and a motion that improves the tangent improves the score. Both turns can only
raise it. What is found is a lower bound of the maximum.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.alignment import align
from gm_multimodal.protein.metrics.superposition import Motion, superpose

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_BREAK_COST: Final = 0.6  # of a gap in the first pairings, as TM-align has it; the last ones are free
_FAR: Final = 1e6  # of padding, squared and in units of d0
_MOTIONS_AT_ONCE: Final = 1024
_SHORTEST_FRAGMENT: Final = 4  # residues
_ENTRIES_AT_ONCE: Final = 2_000_000  # of score matrices in memory: 8 MB each


@dataclass(frozen=True)
class Search:
    """How thoroughly the maximum is searched; the time grows with each of them.

    Attributes:
        shifts: gapless pairings that are taken on from all of them.
        fragments: superpositions of fragments that are taken on.
        finalists: of these, how many are refined to the end.
    """

    shifts: int
    fragments: int
    finalists: int


THOROUGH: Final = Search(shifts=4, fragments=16, finalists=4)


def tm_score(a: Floats, b: Floats) -> float:
    """TM-score of two chains, normalised by the length of the first.

    Args:
        a: Alpha carbons [L, 3] or backbone [L, 4, 3], Angstrom.
        b: The same of another chain, of any length.
    """
    return float(tm_scores([(a, b)])[0, 0])


def paired_tm_score(a: Floats, b: Floats) -> float:
    """TM-score of two chains of one length whose residues are paired in order: only the motion is searched.

    First superpositions are those of fragments of the length of the chain, half of it, and so on.
    """
    x, y = _alpha_carbons(a)[None], _alpha_carbons(b)[None]
    assert x.shape == y.shape, (x.shape, y.shape)
    length = x.shape[1]
    fragments, size = [], length
    while size >= min(_SHORTEST_FRAGMENT, length):
        for start in range(0, length - size + 1, max(size // 2, 1)):
            fragments.append((np.arange(length) >= start) & (np.arange(length) < start + size))
        size //= 2
    weights = np.array(fragments, dtype=x.dtype)
    x, y = np.repeat(x, len(weights), axis=0), np.repeat(y, len(weights), axis=0)
    d0, every = np.full(len(weights), scale(length)), np.ones_like(weights)
    motion = _climb(x, y, every, superpose(x, y, weights), d0, steps=20)
    return min(1.0, float(_scores(motion.apply(x), y, every, d0).max()) / length)


def scale(lengths: npt.ArrayLike) -> Floats:
    """d0(L) in Angstrom, at least 0.5, of lengths [...]."""
    return np.maximum(1.24 * np.cbrt(np.asarray(lengths, dtype=np.float64) - 15.0) - 1.8, 0.5).astype(np.float32)


def tm_scores(
    pairs: Sequence[tuple[Floats, Floats]],
    *,
    search: Search = THOROUGH,
    threads: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> Floats:
    """TM-scores of many pairs of chains, [len(pairs), 2]: normalised by the first, and by the second.

    Args:
        pairs: Alpha carbons [L, 3] or backbones [L, 4, 3], Angstrom.
        search: How thoroughly to search.
        threads: Blocks of pairs computed at the same time.
        progress: Called with the number of pairs that are done, again and again.
    """
    # a chain stands in many pairs
    distinct = {id(chain): chain for pair in pairs for chain in pair}
    ready = {key: _alpha_carbons(chain) for key, chain in distinct.items()}
    chains = [(ready[id(a)], ready[id(b)]) for a, b in pairs]
    sizes = np.array([(len(a), len(b)) for a, b in chains]).reshape(-1, 2)
    # chains of like sizes together, so that little is padded
    order = np.lexsort((sizes[:, 1], sizes[:, 0]))
    blocks = _blocks(sizes, order, search)
    scores = np.zeros((len(pairs), 2))

    def compute(block: Integers) -> tuple[Integers, Floats]:
        return block, _Block.of([chains[k] for k in block]).scores(search)

    with ThreadPoolExecutor(threads) as pool:
        for block, found in pool.map(compute, blocks):
            scores[block] = found
            progress(len(block))
    return scores


def _blocks(sizes: Integers, order: Integers, search: Search) -> list[Integers]:
    """Cut the ordered pairs into blocks whose score matrices fit into the memory that is allowed."""
    blocks, start = [], 0
    while start < len(order):
        stop, rows, columns = start, 0, 0
        while stop < len(order):
            rows, columns = max(rows, sizes[order[stop], 0]), max(columns, sizes[order[stop], 1])
            entries = (stop + 1 - start) * (search.shifts + search.fragments) * rows * columns
            if stop > start and entries > _ENTRIES_AT_ONCE:
                break
            stop += 1
        blocks.append(order[start:stop])
        start = stop
    return blocks


@dataclass(frozen=True)
class _Block:
    """Pairs of chains, padded to common sizes: a [P, n, 3], b [P, m, 3], and their lengths [P]."""

    a: Floats
    b: Floats
    rows: Integers
    columns: Integers

    @classmethod
    def of(cls, chains: Sequence[tuple[Floats, Floats]]) -> "_Block":
        rows, columns = np.array([(len(a), len(b)) for a, b in chains]).T
        a = np.zeros((len(chains), rows.max(), 3), dtype=np.float32)
        b = np.zeros((len(chains), columns.max(), 3), dtype=np.float32)
        for k, (first, second) in enumerate(chains):
            a[k, : len(first)], b[k, : len(second)] = first, second
        return cls(a, b, rows, columns)

    def take(self, pairs: Integers) -> "_Block":
        return _Block(self.a[pairs], self.b[pairs], self.rows[pairs], self.columns[pairs])

    def scores(self, search: Search) -> Floats:
        """TM-scores normalised by the first and the second chain, [P, 2]."""
        d0 = scale(np.minimum(self.rows, self.columns))
        pairs, motion = self._starts(d0, search)
        for costs, count in (((_BREAK_COST,), search.finalists), ((_BREAK_COST, _BREAK_COST, 0.0, 0.0), 1)):
            motion, reached = self.take(pairs)._turns(motion, d0[pairs], costs)
            keep = _best_of_each(pairs, reached, count)
            pairs, motion = pairs[keep], motion.take(keep)
        assert len(pairs) == len(self.rows), "a pair without a superposition"
        totals = [self._turns(motion, scale(lengths), (0.0, 0.0))[1] for lengths in (self.rows, self.columns)]
        return np.minimum(np.stack([totals[0] / self.rows, totals[1] / self.columns], axis=1), 1.0)

    def _turns(self, motion: Motion, d0: Floats, costs: Sequence[float]) -> tuple[Motion, Floats]:
        """Let pairing and motion take turns; returns the motion and the sum of the score, [P]."""
        total: Floats = np.zeros(len(d0))
        for cost in costs:
            partners = align(self._matrix(motion, d0), cost)
            is_paired = (partners >= 0) & (partners < self.columns[:, None])
            is_paired &= _within(partners.shape[1], self.rows)
            weights = is_paired.astype(np.float32)
            other = np.take_along_axis(self.b, np.maximum(partners, 0)[..., None], axis=1)
            motion = _climb(self.a, other, weights, motion, d0, steps=4)
            total = _scores(motion.apply(self.a), other, weights, d0)
        return motion, total

    def _matrix(self, motion: Motion, d0: Floats) -> Floats:
        """Scores of all pairs of residues under a motion, [P, n, m]; next to nothing for padding."""
        denominators = self._denominators(motion, d0)
        return np.reciprocal(denominators, out=denominators)

    def _denominators(self, motion: Motion, d0: Floats) -> Floats:
        """1 + d^2 / d0^2 of all pairs of residues, [P, n, m]: a product of (-2 x, |x|^2 + 1, 1) with (y, 1, |y|^2)."""
        x, y = motion.apply(self.a) / d0[:, None, None], self.b / d0[:, None, None]
        left = np.ones((*x.shape[:2], 5), dtype=np.float32)
        right = np.ones((*y.shape[:2], 5), dtype=np.float32)
        left[..., :3], right[..., :3] = -2.0 * x, y
        left[..., 3] = np.where(_within(x.shape[1], self.rows), np.einsum("pkc,pkc->pk", x, x) + 1.0, _FAR)
        right[..., 4] = np.where(_within(y.shape[1], self.columns), np.einsum("pkc,pkc->pk", y, y), _FAR)
        products: Floats = left @ right.mT
        return np.maximum(products, 1.0, out=products)

    def _starts(self, d0: Floats, search: Search) -> tuple[Integers, Motion]:
        """First superpositions: which pair each is of, and the motions."""
        kinds = [self._shifts(d0, search.shifts), self._fragments(d0, search.fragments)]
        pairs = np.concatenate([pairs for pairs, _ in kinds])
        rotation = np.concatenate([motion.rotation for _, motion in kinds])
        return pairs, Motion(rotation, np.concatenate([motion.shift for _, motion in kinds]))

    def _shifts(self, d0: Floats, count: int) -> tuple[Integers, Motion]:
        """The best gapless pairings i -> i + shift."""
        n, m = self.a.shape[1], self.b.shape[1]
        shortest = np.minimum(self.rows, self.columns)
        overlap = np.maximum(shortest // 2, np.minimum(shortest, 5))
        shifts = np.arange(-(n - 1), m)
        place = np.arange(n)[None] + shifts[:, None]
        fits = (np.arange(n) < self.rows[:, None])[:, None] & (place >= 0)[None]
        fits &= place[None] < self.columns[:, None, None]
        pairs, which = np.nonzero(fits.sum(axis=2) >= overlap[:, None])
        weights = fits[pairs, which].astype(np.float32)
        x, y = self.a[pairs], self.b[pairs[:, None], np.clip(place[which], 0, m - 1)]
        motion = _climb(x, y, weights, superpose(x, y, weights), d0[pairs], steps=2)
        keep = _best_of_each(pairs, _scores(motion.apply(x), y, weights, d0[pairs]), count)
        return pairs[keep], motion.take(keep)

    def _fragments(self, d0: Floats, count: int) -> tuple[Integers, Motion]:
        """The best superpositions of a fragment of one chain on a fragment of the other."""
        shortest = int(min(self.rows.min(), self.columns.min()))
        size = max(min(20, shortest // 2), min(shortest, 4))
        first = np.arange(0, self.a.shape[1] - size + 1, max(size // 2, 1))
        second = np.arange(0, self.b.shape[1] - size + 1, max(size // 4, 1))
        fits = (first + size <= self.rows[:, None])[:, :, None] & (second + size <= self.columns[:, None])[:, None]
        pairs, start, other = np.nonzero(fits)
        within = np.arange(size)
        x = self.a[pairs[:, None], first[start][:, None] + within]
        y = self.b[pairs[:, None], second[other][:, None] + within]
        motion = superpose(x, y, np.ones(x.shape[:2], dtype=np.float32))
        keep = _best_of_each(pairs, self._coverage(pairs, motion, d0), count)
        return pairs[keep], motion.take(keep)

    def _coverage(self, pairs: Integers, motion: Motion, d0: Floats) -> Floats:
        """Sum over every third residue of its score with the nearest of every second residue: no order, but quick."""
        thin = _Block(self.a[:, ::3], self.b[:, ::2], -(-self.rows // 3), -(-self.columns // 2))
        covered = np.empty(len(pairs), dtype=np.float32)
        for start in range(0, len(pairs), _MOTIONS_AT_ONCE):
            some = slice(start, start + _MOTIONS_AT_ONCE)
            part = Motion(motion.rotation[some], motion.shift[some])
            nearest = thin.take(pairs[some])._denominators(part, d0[pairs[some]]).min(axis=2)
            covered[some] = (1.0 / nearest).sum(axis=1)
        return covered


def _within(size: int, lengths: Integers) -> Bools:
    """Tell which of `size` padded places belong to chains of these lengths, [P, size]."""
    return np.arange(size)[None] < lengths[:, None]


def _climb(x: Floats, y: Floats, weights: Floats, motion: Motion, d0: Floats, steps: int) -> Motion:
    """Raise the score of a pairing by weighted least squares, steps times; weights are 0 or 1."""
    for _ in range(steps):
        motion = superpose(x, y, weights / (1.0 + _squares(motion.apply(x), y, d0)) ** 2)
    return motion


def _scores(x: Floats, y: Floats, weights: Floats, d0: Floats) -> Floats:
    """Sum of 1 / (1 + d^2/d0^2) over the pairs, [P]."""
    return np.sum(weights / (1.0 + _squares(x, y, d0)), axis=1, dtype=np.float64)


def _squares(x: Floats, y: Floats, d0: Floats) -> Floats:
    difference = x - y
    return np.einsum("pkc,pkc->pk", difference, difference) / (d0**2)[:, None]


def _best_of_each(pairs: Integers, scores: Floats, count: int) -> Integers:
    """Places of the highest scores of each pair, at most count; pair by pair."""
    order = np.lexsort((-scores, pairs))
    ordered = pairs[order]
    starts = np.searchsorted(ordered, ordered)
    return order[np.arange(len(order)) - starts < count]


def _alpha_carbons(chain: Floats) -> Floats:
    """Alpha carbons about their centroid, [L, 3] float32."""
    ca = np.asarray(chain if chain.ndim == 2 else chain[:, 1], dtype=np.float64)
    return (ca - ca.mean(axis=0)).astype(np.float32)
