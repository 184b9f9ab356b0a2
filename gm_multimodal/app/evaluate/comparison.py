"""Structures of an evaluation compared with each other: TM-scores that are kept, clusters, and what they say."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gm_multimodal import __version__
from gm_multimodal.app.evaluate.known_figures import Kept, is_figure
from gm_multimodal.app.machine.process_pool import Lost, run_each
from gm_multimodal.protein.metrics.clusters import SAME_FOLD, clusters_of, mean_pairwise
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.metrics.tm_score import Block, one_by_one, tm_score_blocks

_WORTH_PROCESSES: Final = 2048  # pairs, of some seconds; processes take one to begin
_LONGEST: Final = 3600.0  # seconds for a block of a second: a process that takes so long hangs
_KIND: Final = "tm 2"  # a better search is another kind of figure
Floats = npt.NDArray[np.floating]


def kept_tm_matrix(
    structures: Sequence[Structure], kept: Kept, threads: int, progress: Callable[[int], object]
) -> Floats:
    """TM-scores of all pairs, [K, K], normalised by the length of the row's structure; only new pairs are computed.

    Args:
        structures: what to compare.
        kept: scores that are known, and where each block of new ones is kept as soon as it is done.
        threads: processes to compute in, where there is enough to do.
        progress: called with the number of pairs that are done, again and again.
    """
    # the order within a pair follows the content, so that a score does not depend on the order of the files
    ordered = [
        tuple(sorted(pair, key=lambda k: structures[k].digest)) for pair in combinations(range(len(structures)), 2)
    ]
    keys = {pair: f"{_KIND} {structures[pair[0]].digest} {structures[pair[1]].digest}" for pair in ordered}
    missing = [pair for pair in ordered if not kept.has(keys[pair], _is_pair)]
    progress(len(ordered) - len(missing))
    chains = [(structures[i].backbone.coordinates, structures[j].backbone.coordinates) for i, j in missing]
    is_much = threads > 1 and len(missing) >= _WORTH_PROCESSES
    for places, scores in tm_score_blocks(chains, partial(_side_by_side, threads) if is_much else one_by_one):
        done = zip((keys[missing[place]] for place in places), scores, strict=True)
        kept.update((key, [round(float(x), 5) for x in both]) for key, both in done)
        progress(len(places))
    matrix = np.eye(len(structures))
    for i, j in ordered:
        matrix[i, j], matrix[j, i] = kept[keys[i, j]]
    return matrix


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and None not in value and all(map(is_figure, value))


def _side_by_side(
    workers: int, function: Callable[[Block], Floats], blocks: Iterable[Block]
) -> Iterator[tuple[Block, Floats]]:
    for block, found in run_each(function, blocks, workers=workers, seconds=_LONGEST):
        if isinstance(found, Lost):
            raise RuntimeError(f"a process that compares structures was lost: {found.reason}")
        yield block, found


def columns(matrix: Floats, count: int) -> tuple[dict[str, Definition], list[dict[str, Any]]]:
    """Columns of each of `count` structures, of which the matrix holds the first."""
    compared = len(matrix)
    labels = clusters_of(matrix)
    rows: list[dict[str, Any]] = []
    for k in range(count):
        if k >= compared:
            reason = f"not among the first {compared} structures (most_compared)"
        elif compared == 1:
            reason = "no other structure"
        else:
            others = np.delete(matrix[k], k)
            rows.append({"cluster": str(labels[k]), "nearest_tm": float(others.max()), "mean_tm": float(others.mean())})
            continue
        rows.append({f"{column} reason": reason for column in ("cluster", "nearest_tm", "mean_tm")})
    return _COLUMNS, rows


def across(matrix: Floats) -> dict[str, Any]:
    """What the set as a whole is: number of clusters, their share, and the mean TM-score of two structures."""
    labels = clusters_of(matrix)
    clusters = int(labels.max()) + 1
    values = {
        "compared": (len(matrix), "Structures that were compared with each other"),
        "clusters": (clusters, _COLUMNS["cluster"].text),
        "cluster_share": (clusters / len(matrix), "Clusters over structures: 1 where no two are alike"),
        "mean_pairwise_tm": (mean_pairwise(matrix), "Mean TM-score of two different structures"),
    }
    return {
        name: {
            "value": value,
            "definition": vars(Definition(text, "gm_multimodal", __version__, "CA", _THRESHOLDS.get(name, ""))),
        }
        for name, (value, text) in values.items()
    }


_THRESHOLDS: Final = {"clusters": f"TM {SAME_FOLD}", "cluster_share": f"TM {SAME_FOLD}"}
_COLUMNS: Final = {
    "cluster": Definition(
        "Greedy cluster at the mean of both normalisations of the TM-score; 0 is the largest",
        "gm_multimodal",
        __version__,
        "CA",
        f"TM {SAME_FOLD}",
    ),
    "nearest_tm": Definition(
        "Highest TM-score to another structure of the set, normalised by the own length",
        "gm_multimodal",
        __version__,
        "CA",
    ),
    "mean_tm": Definition(
        "Mean TM-score to the others of the set, normalised by the own length", "gm_multimodal", __version__, "CA"
    ),
}
