"""Clusters of similar sequences without another program: words in common find candidates, an alignment decides.

Single linkage: two sequences that align at `IDENTITY` over `COVERAGE` of both (Smith-Waterman in a band, BLOSUM62, gaps
11 + 1) are in one cluster, so that no pair that was found is ever divided between training and test. Candidates share
similar words of three letters on neighbouring diagonals, as in BLAST. Good for thousands of sequences;
MMseqs2 for more.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from biotite.sequence import ProteinSequence
from biotite.sequence.align import KmerTable, ScoreThresholdRule, SubstitutionMatrix, align_banded

IDENTITY: Final = 0.3
"""Least share of equal residues among the columns of an alignment."""

COVERAGE: Final = 0.8
"""Least share of the residues of either sequence that an alignment spans."""

_WORD: Final = 3
_WORD_SCORE: Final = 12  # words of BLOSUM62 score from here on count as similar
_DIAGONALS: Final = 2  # are taken together when words are counted
_LEAST_WORDS: Final = 4
_MOST_CANDIDATES: Final = 12
_BAND: Final = 24
_GAP: Final = (-11, -1)


def cluster_by_words(
    sequences: Sequence[str], progress: Callable[[int], object] = lambda _: None
) -> npt.NDArray[np.int64]:
    """Return the cluster of every sequence, [n]: the place of its longest sequence.

    Args:
        sequences: in one-letter codes, at least three letters each.
        progress: called with the number of sequences that found their place.
    """
    matrix = SubstitutionMatrix.std_protein_matrix()
    rule = ScoreThresholdRule(matrix, _WORD_SCORE)
    lengths = np.array([len(sequence) for sequence in sequences])
    coded = [ProteinSequence(sequence) for sequence in sequences]
    table = KmerTable.from_sequences(_WORD, coded)
    # a forest: every sequence points to one before it in the order of lengths, the first of a cluster to itself
    order = np.lexsort((np.arange(len(sequences)), -lengths))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    parent = np.arange(len(order))
    for query in order:
        for other, diagonal in _candidates(table, rule, coded, query, lengths, rank):
            first, second = _root(parent, query), _root(parent, other)
            if first != second and _is_similar(coded[query], coded[other], diagonal, matrix):
                later, earlier = (first, second) if rank[first] > rank[second] else (second, first)
                parent[later] = earlier
        progress(1)
    return np.array([_root(parent, place) for place in range(len(sequences))], dtype=np.int64)


def _root(parent: npt.NDArray[np.int64], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return int(place)


def _candidates(
    table: KmerTable,
    rule: ScoreThresholdRule,
    coded: Sequence[ProteinSequence],
    query: int,
    lengths: npt.NDArray[np.int64],
    rank: npt.NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Return (sequence, diagonal) of those of lower rank that share most words with the query, the best first."""
    place, other, place_there = table.match(coded[query], rule).astype(np.int64).T
    # no alignment covers enough of both if one is much shorter
    fits = (rank[other] < rank[query]) & (COVERAGE * lengths[other] <= lengths[query])
    place, other, place_there = place[fits], other[fits], place_there[fits]
    longest = int(lengths.max())
    span = 2 * longest // _DIAGONALS + 2
    diagonal = (place_there - place + longest) // _DIAGONALS
    counts = np.bincount(other * span + diagonal, minlength=len(lengths) * span).reshape(-1, span)
    # neighbouring bins are taken together, so that a border does not divide what belongs together
    counts = counts[:, :-1] + counts[:, 1:]
    best = counts.argmax(1)
    words = counts[np.arange(len(counts)), best]
    order = np.argsort(-words, kind="stable")[:_MOST_CANDIDATES]
    return [(int(i), (int(best[i]) + 1) * _DIAGONALS - longest) for i in order if words[i] >= _LEAST_WORDS]


def _is_similar(first: ProteinSequence, second: ProteinSequence, diagonal: int, matrix: SubstitutionMatrix) -> bool:
    band = (max(diagonal - _BAND, 1 - len(first)), min(diagonal + _BAND, len(second) - 1))
    [alignment] = align_banded(first, second, matrix, band, gap_penalty=_GAP, local=True, max_number=1)
    trace = alignment.trace
    if len(trace) < COVERAGE * len(first):
        return False
    paired = (trace >= 0).all(-1)
    rows = trace[paired]
    spans = rows[-1] - rows[0] + 1
    if spans[0] < COVERAGE * len(first) or spans[1] < COVERAGE * len(second):
        return False
    return bool(np.sum(first.code[rows[:, 0]] == second.code[rows[:, 1]]) >= IDENTITY * len(trace))
