"""What a dataset holds and what was left out, for its report; scalars only, never coordinates."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gm_multimodal.protein.parquet import batches, open_parquet
from gm_multimodal.protein.preparation.examine import LOW_PLDDT
from gm_multimodal.protein.preparation.shards import REJECTION_COLUMNS
from gm_multimodal.protein.preparation.splits import SPLITS
from gm_multimodal.protein.reading_notes import KINDS
from gm_multimodal.reading import MAX_DATASET_BYTES

_COLUMNS: Final = ("source", "plddt", "length", "helix", "strand", "split", "cluster30")


@final
@dataclass(frozen=True)
class Summary:
    """The figures of a dataset.

    Attributes:
        chains: of each split.
        clusters: of each split.
        sources: files that gave a chain.
        lengths: residues of every chain, [n].
        helix: share of helix of every chain by hydrogen bonds, [n].
        strand: the same of strand.
        predicted: files whose B-factors were taken for pLDDT.
        reasons: reason -> rejections, the most frequent first.
        refused_files: files of which nothing could be taken for a reason that concerns the file.
    """

    chains: dict[str, int]
    clusters: dict[str, int]
    sources: int
    lengths: npt.NDArray[np.int64]
    helix: npt.NDArray[np.float64]
    strand: npt.NDArray[np.float64]
    predicted: int
    reasons: dict[str, int]
    refused_files: int


def summarise(dataset: Path, rejected: Path) -> Summary:
    """Read a dataset's scalars and the table of its rejections."""
    with open_parquet(dataset, texts=("source", "split")) as file:
        parts = list(batches(dataset, file, _COLUMNS, MAX_DATASET_BYTES))
    table = pa.Table.from_batches(parts)
    splits = np.array(table["split"].to_pylist())
    clusters = table["cluster30"].to_numpy()
    reasons: Counter[str] = Counter()
    sources = table["source"].to_pylist()
    predicted = {name for name, plddt in zip(sources, table["plddt"].to_pylist(), strict=True) if plddt is not None}
    refused = 0
    with rejected.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert tuple(row) == REJECTION_COLUMNS
            reason = row["reason"].partition(":")[0]
            reasons[reason] += 1
            if reason.startswith(LOW_PLDDT):
                predicted.add(row["file"])
            refused += not row["chain"] and not row["residues"] and reason not in KINDS
    return Summary(
        {name: int((splits == name).sum()) for name in SPLITS},
        {name: len(np.unique(clusters[splits == name])) for name in SPLITS},
        len(set(sources)),
        table["length"].to_numpy().astype(np.int64),
        table["helix"].to_numpy().astype(np.float64),
        table["strand"].to_numpy().astype(np.float64),
        len(predicted),
        dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        refused,
    )
