"""How like the most similar known structure a chain is: its highest TM-score to a reference set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.tm_score import tm_scores

LENGTH_WINDOW: Final = 15  # residues; a reference that is longer or shorter by more is not looked at
_POINTS: Final = 24  # of a fingerprint, along the chain
_SOFTNESS: Final = 10.0  # Angstrom; distances far above it all count as far

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class References:
    """Structures to compare with.

    Attributes:
        names: of the structures.
        coordinates: backbones [L, 4, 3], Angstrom.
        lengths: residues of each, [K].
        fingerprints: see `fingerprint`, [K, F].
    """

    names: Sequence[str]
    coordinates: Sequence[Floats]
    lengths: npt.NDArray[np.int64]
    fingerprints: Floats

    @classmethod
    def of(cls, names: Sequence[str], coordinates: Sequence[Floats]) -> "References":
        """Prepare structures for the search."""
        prints = np.stack([fingerprint(chain) for chain in coordinates])
        return cls(names, coordinates, np.array([len(chain) for chain in coordinates]), prints)

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.names)


@dataclass(frozen=True)
class Nearest:
    """The most similar reference: TM-score normalised by the length of the chain that was looked up, and its name."""

    tm: float
    name: str


def fingerprint(coordinates: Floats) -> Floats:
    """Distances d of 24 points evenly along the chain, as 1 / (1 + d / 10 Angstrom), [276]: equal for equal folds."""
    ca = np.asarray(coordinates[:, 1], dtype=np.float64)
    places = np.linspace(0, len(ca) - 1, _POINTS)
    points = np.stack([np.interp(places, np.arange(len(ca)), ca[:, axis]) for axis in range(3)], axis=1)
    first, second = np.triu_indices(_POINTS, k=1)
    distances = np.linalg.norm(points[first] - points[second], axis=-1)
    return (1.0 / (1.0 + distances / _SOFTNESS)).astype(np.float32)


def highest_tm(
    chains: Sequence[Floats],
    references: References,
    *,
    candidates: int,
    progress: Callable[[int], object] = lambda done: None,
) -> list[Nearest | None]:
    """Return the most similar reference within 15 residues of each chain, or None where none is of such a length.

    Only the `candidates` references whose fingerprints are most like that of the chain are aligned, so what is found is
    a lower bound.

    Args:
        chains: Backbones [L, 4, 3], Angstrom.
        references: Structures to compare with.
        candidates: How many of them to align with each chain at most.
        progress: Called with the number of pairs that are done, again and again.
    """
    chosen = [_most_alike(chain, references, candidates) for chain in chains]
    pairs = [(chain, references.coordinates[k]) for chain, places in zip(chains, chosen, strict=True) for k in places]
    scores = iter(tm_scores(pairs, progress=progress)[:, 0])
    found: list[Nearest | None] = []
    for places in chosen:
        best = max(((next(scores), int(k)) for k in places), default=None)
        found.append(None if best is None else Nearest(float(best[0]), references.names[best[1]]))
    return found


def _most_alike(chain: Floats, references: References, candidates: int) -> npt.NDArray[np.int64]:
    within = np.flatnonzero(np.abs(references.lengths - len(chain)) <= LENGTH_WINDOW)
    difference = np.abs(references.fingerprints[within] - fingerprint(chain)).sum(axis=1)
    return within[np.argsort(difference, kind="stable")[:candidates]]
