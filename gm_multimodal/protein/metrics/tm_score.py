"""TM-score (Zhang and Skolnick 2004): how much of one fold is found in another, whatever their sequences.

    TM(a, b) = max over rigid motions and order-preserving pairings of  1/L sum_pairs 1 / (1 + d^2 / d0(L)^2)

with the distances d of paired alpha carbons, L the length that normalises (here always that of one of the two) and
d0(L) = 1.24 (L - 15)^(1/3) - 1.8 Angstrom, at least 0.5. It is 1 for equal chains; above 0.5 the folds are usually the
same. How the maximum is searched stands in `tm_search`; what is found is a lower bound of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.superposition import superpose
from gm_multimodal.protein.metrics.tm_search import Pairs, climb, fragment_sizes, scale, sums

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
Block = tuple[Integers, Sequence[tuple[Floats, Floats]]]
"""Places of pairs, and their chains."""
Run = Callable[[Callable[[Block], Floats], Iterable[Block]], Iterable[tuple[Block, Floats]]]

_SHORTEST_FRAGMENT: Final = 4  # residues
_PAIRS_AT_ONCE: Final = 256  # enough for full arrays in the last part of the search, where a pair has one motion


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
    x, y = _alpha_carbons(a), _alpha_carbons(b)
    assert x.shape == y.shape, (x.shape, y.shape)
    length = len(x)
    fragments, size = [], length
    while size >= min(_SHORTEST_FRAGMENT, length):
        for start in range(0, length - size + 1, max(size // 2, 1)):
            fragments.append((np.arange(length) >= start) & (np.arange(length) < start + size))
        size //= 2
    weights = np.array(fragments, dtype=x.dtype).T.copy()
    moving, fixed = (np.repeat(points.T[..., None], len(fragments), axis=2) for points in (x, y))
    d0, every = np.full(len(fragments), scale(length)), np.ones_like(weights)
    motion = climb(moving, fixed, every, superpose(moving, fixed, weights), d0, steps=20)
    return min(1.0, float(sums(motion.apply(moving), fixed, every, d0).max()) / length)


def tm_scores(
    pairs: Sequence[tuple[Floats, Floats]],
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> Floats:
    """TM-scores of many pairs of chains, [len(pairs), 2]: normalised by the first, and by the second.

    That of a pair is the same to the last bit whatever the other pairs and their order are.

    Args:
        pairs: Alpha carbons [L, 3] or backbones [L, 4, 3], Angstrom.
        progress: Called with the number of pairs that are done, again and again.
    """
    scores = np.zeros((len(pairs), 2))
    for places, found in tm_score_blocks(pairs):
        scores[places] = found
        progress(len(places))
    return scores


def one_by_one(function: Callable[[Block], Floats], blocks: Iterable[Block]) -> Iterator[tuple[Block, Floats]]:
    """Run a function on one block after another."""
    return ((block, function(block)) for block in blocks)


def tm_score_blocks(pairs: Sequence[tuple[Floats, Floats]], run: Run = one_by_one) -> Iterator[tuple[Integers, Floats]]:
    """Yield the places of some pairs and their scores, [P] and [P, 2], until there are those of all.

    Args:
        pairs: As of `tm_scores`.
        run: Calls a function on blocks, perhaps several at a time in other processes (the many small operations keep
            threads waiting for each other), and yields each with what came of it, in any order.
    """
    # a chain stands in many pairs
    distinct = {id(chain): chain for pair in pairs for chain in pair}
    ready = {key: _alpha_carbons(chain) for key, chain in distinct.items()}
    chains = [(ready[id(a)], ready[id(b)]) for a, b in pairs]
    blocks = ((places, [chains[k] for k in places]) for places in _blocks(chains))
    return ((places, found) for (places, _), found in run(_scores_of, blocks))


def _scores_of(block: Block) -> Floats:
    return Pairs.of(block[1]).scores()


def _blocks(chains: Sequence[tuple[Floats, Floats]]) -> list[Integers]:
    """Cut pairs into blocks of like sizes, so that little is padded, and of one size of fragments."""
    rows, columns = np.array([(len(a), len(b)) for a, b in chains], dtype=np.int64).reshape(-1, 2).T
    sizes = fragment_sizes(rows, columns)
    order = np.lexsort((columns, rows, sizes))
    groups = np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1)
    return [group[start : start + _PAIRS_AT_ONCE] for group in groups for start in range(0, len(group), _PAIRS_AT_ONCE)]


def _alpha_carbons(chain: Floats) -> Floats:
    """Alpha carbons about their centroid, [L, 3] float32."""
    ca = np.asarray(chain if chain.ndim == 2 else chain[:, 1], dtype=np.float64)
    return (ca - ca.mean(axis=0)).astype(np.float32)
