"""Parts of a chain that can stand alone: domains, and two halves that touch.

What a cut costs is counted in pairs of residues that it parts: contacts of alpha carbons, and bridges of sheets. All
cuts of a chain are counted at once, from cumulative sums over its pairs.
"""

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

CROSSING_CONTACTS = 0.10  # share of a domain's contacts that reach beyond it, below
CROSSING_BRIDGES = 0.05  # the same of its bridges
SHARED_CONTACTS = 0.20  # share of a half's contacts that are with the other half, below
TOUCHING = 10  # contacts between two halves, at least
LINKERS = range(2, 21)  # residues left out between two halves


def domains(contacts: Bools, bridges: Bools, shortest: int, longest: int) -> list[tuple[int, int]]:
    """Return all stretches [start, stop) that few contacts and bridges leave, the best first.

    The best one has the most contacts inside, one that leaves counting as much as nine inside: 0 is the border of what
    is taken at all.

    Args:
        contacts: pairs of alpha carbons in contact, [L, L] symmetric.
        bridges: pairs of residues in a bridge, [L, L] symmetric.
        shortest: residues of a stretch, at least.
        longest: residues of a stretch, at most.
    """
    length = np.arange(len(contacts) + 1)
    length = length[None] - length[:, None]
    inside, crossing = _inside_and_crossing(contacts)
    inside_bridges, crossing_bridges = _inside_and_crossing(bridges)
    allowed = (length >= shortest) & (length <= longest) & (crossing < CROSSING_CONTACTS * (inside + crossing))
    allowed &= crossing_bridges <= CROSSING_BRIDGES * (inside_bridges + crossing_bridges)
    found = np.argwhere(allowed)
    worth = (inside - crossing * (1 / CROSSING_CONTACTS - 1))[allowed]
    return [(int(start), int(stop)) for start, stop in found[np.argsort(-worth, kind="stable")]]


def halves(contacts: Bools, bridges: Bools, shortest: int) -> list[tuple[int, int]]:
    """Return all linkers [start, stop) between two halves that touch, share no bridge and have a core each.

    Those with the most contacts between the halves come first.

    Args:
        contacts: pairs of alpha carbons in contact, [L, L] symmetric.
        bridges: pairs of residues in a bridge, [L, L] symmetric.
        shortest: residues of a half, at least.
    """
    size = len(contacts)
    inside, _ = _inside_and_crossing(contacts)
    found = []
    for linker in LINKERS:
        start = np.arange(shortest, size - shortest - linker + 1)
        stop = start + linker
        shared = _between(contacts, start, stop)
        allowed = (shared >= TOUCHING) & (_between(bridges, start, stop) == 0)
        for own in (inside[0, start], inside[stop, size]):
            allowed &= shared < SHARED_CONTACTS * (own + shared)
        found += [(int(shared[k]), int(start[k]), int(stop[k])) for k in np.flatnonzero(allowed)]
    return [(start, stop) for _, start, stop in sorted(found, key=lambda cut: -cut[0])]


def _sums(pairs: Bools) -> Counts:
    """Count the pairs (i, j) with i < a and j < b, [L + 1, L + 1]."""
    sums = np.zeros((len(pairs) + 1, len(pairs) + 1), dtype=np.int64)
    sums[1:, 1:] = np.cumsum(np.cumsum(pairs, 0), 1)
    return sums


def _inside_and_crossing(pairs: Bools) -> tuple[Counts, Counts]:
    """Count the pairs within [a, b), and those of which one end lies there, [L + 1, L + 1] each, for a <= b."""
    sums = _sums(pairs)
    whole = np.diagonal(sums)
    twice = whole[None] + whole[:, None] - sums - sums.T
    ends = sums[:, -1][None] - sums[:, -1][:, None]
    return twice // 2, ends - twice


def _between(pairs: Bools, start: Counts, stop: Counts) -> Counts:
    """Count the pairs of one residue before `start` and one from `stop` on."""
    sums = _sums(pairs)
    return sums[start, -1] - sums[start, stop]
