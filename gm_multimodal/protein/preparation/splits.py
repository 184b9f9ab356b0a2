"""Train, validation and test: whole clusters, drawn by a seed, the same whatever the order of the files."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_WORD: Final = 30  # residues; longer than the tags that many unrelated constructs have in common
_WINDOW: Final = 16  # words of which one is looked at


def linked_clusters(sequences: Sequence[str], clusters: Iterable[int]) -> dict[int, int]:
    """Return for every cluster the least one that it must share a split with.

    Two chains of one protein may break at different places: the pieces overlap, but not enough for a cluster. Clusters
    are linked if any of their sequences have 45 residues or more in common, word for word.
    """
    parent = {number: number for number in clusters}
    place_of: dict[bytes, int] = {}

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for sequence, number in zip(sequences, clusters, strict=True):
        for word in _words(sequence):
            first, second = sorted((root(place_of.setdefault(word, number)), root(number)))
            parent[second] = first
    return {number: root(number) for number in parent}


def _words(sequence: str) -> set[bytes]:
    """Return, of all words, the least hash in every window: sequences that share a window share a hash."""
    coded = sequence.encode()
    every = [hashlib.blake2b(coded[i : i + _WORD], digest_size=8).digest() for i in range(len(coded) - _WORD + 1)]
    return {min(every[i : i + _WINDOW]) for i in range(len(every) - _WINDOW + 1)}


def split_clusters(
    sizes: Mapping[int, int], names: Mapping[int, str], *, validation_share: float, test_share: float, seed: int
) -> dict[int, str]:
    """Return the split of every cluster.

    Clusters are taken in the order of a hash of seed and name; the test split is filled first, then validation, each
    with those that still fit its share of the chains, and everything else is for training. So a split never exceeds
    its share by more than one chain, adding a structure moves few others, and a lone cluster is for training.

    Args:
        sizes: chains of each cluster.
        names: what tells a cluster, such as its first sequence.
        validation_share: of all chains.
        test_share: of all chains.
        seed: of the order.
    """
    total = sum(sizes.values())
    order = sorted(sizes, key=lambda number: hashlib.sha256(f"{seed} {names[number]}".encode()).digest())
    split = dict.fromkeys(sizes, TRAIN)
    left = len(sizes)  # clusters for training; the last one stays
    for name, share in ((TEST, test_share), (VALIDATION, validation_share)):
        room = math.ceil(share * total)  # a share of a small dataset is at least one chain
        for number in order:
            if split[number] == TRAIN and sizes[number] <= room and left > 1:
                split[number] = name
                room -= sizes[number]
                left -= 1
    return split
