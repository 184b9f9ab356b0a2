"""Which rows of the shards make the dataset: duplicates out, clusters and splits assigned, from sequences alone."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.preparation.examine import Rejection
from gm_multimodal.protein.preparation.shards import Shard, row_key
from gm_multimodal.protein.preparation.splits import linked_clusters, split_clusters

DUPLICATE: Final = "same sequence as another chain"


@final
@dataclass(frozen=True)
class Selection:
    """What goes into the dataset.

    Attributes:
        kept: key of a row -> (id, cluster, split).
        duplicates: what is left out for its sequence.
    """

    kept: dict[str, tuple[str, int, str]]
    duplicates: list[Rejection]


@dataclass
class _Best:
    """The chain that stands for a sequence: of the best resolution, of equal ones the first."""

    id: str
    group: tuple[str, str, int]
    resolution: float


@final
@dataclass(frozen=True)
class _Scalars:
    key: str
    id: str
    group: tuple[str, str, int]
    sequence: str
    resolution: float


def select(
    shards: Sequence[Shard],
    *,
    keep_duplicates: bool,
    cluster: Callable[[Sequence[str]], npt.NDArray[np.int64]],
    validation_share: float,
    test_share: float,
    seed: int,
) -> Selection:
    """Choose among all rows.

    Of equal sequences one chain is kept, with all of its models; clusters are of sequences, splits of clusters.
    """
    best: dict[str, _Best] = {}
    for row in _rows(shards):
        known = best.setdefault(row.sequence, _Best(row.id, row.group, row.resolution))
        if row.resolution < known.resolution:
            known.id, known.group, known.resolution = row.id, row.group, row.resolution
    sequences = list(best)
    numbers = dict(zip(sequences, cluster(sequences).tolist(), strict=True))
    members: list[tuple[str, str, int]] = []
    duplicates = []
    ids: Counter[str] = Counter()
    for row in _rows(shards):
        chosen = best[row.sequence]
        if not keep_duplicates and row.group != chosen.group:
            duplicates.append(Rejection(row.group[0], row.group[1], "", f"{DUPLICATE}: {chosen.id}"))
            continue
        ids[row.id] += 1
        # two files of one name in different forms or folders
        name = row.id if ids[row.id] == 1 else f"{row.id}-{ids[row.id]}"
        members.append((row.key, name, numbers[row.sequence]))
    group = linked_clusters(sequences, list(numbers.values()))
    names: dict[int, str] = {}
    for sequence, number in numbers.items():
        names[group[number]] = min(names.get(group[number], sequence), sequence)
    sizes = Counter(group[number] for _, _, number in members)
    split = split_clusters(sizes, names, validation_share=validation_share, test_share=test_share, seed=seed)
    return Selection({key: (name, number, split[group[number]]) for key, name, number in members}, duplicates)


def _rows(shards: Sequence[Shard]) -> Iterator[_Scalars]:
    for number, shard in enumerate(shards):
        for place, row in enumerate(shard.scalars()):
            resolution = math.inf if row["resolution"] is None else row["resolution"]
            group = (row["source"], row["chain"], row["first_residue"])
            yield _Scalars(row_key(number, place), row["id"], group, row["sequence"], resolution)
