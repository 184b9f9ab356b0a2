"""Secondary structure from the hydrogen bonds of the backbone: DSSP (Kabsch and Sander 1983).

Written from the paper, with the order H, B, E, G, I, T, S of its summary, except that pi helices come before alpha
helices as in later versions of the program. Needs N, CA, C and O of every residue; the hydrogen of an amide is placed
1.01 Angstrom from N, opposite to the C=O of the residue before. Bulges join the ladders on both sides.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.residues import RESIDUES

COUPLING: Final = 27.9  # kcal/mol Angstrom: 0.42 x 0.20 electron charges squared, times 332
BOND: Final = -0.5  # kcal/mol; below it two groups are bonded
_LOWEST: Final = -9.9  # kcal/mol, for atoms that lie on each other
NH_BOND: Final = 1.01  # Angstrom
NEAR: Final = 9.0  # Angstrom between alpha carbons; no bond reaches farther
_CLOSEST: Final = 0.5  # Angstrom between atoms
_BEND: Final = 70.0  # degrees between CA(i-2) -> CA(i) and CA(i) -> CA(i+2)
PROLINE: Final = RESIDUES.index("P")

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Bridges:
    """Pairs of residues in a bridge, [L, L] each, symmetric."""

    parallel: Bools
    antiparallel: Bools


def dssp(coordinates: Floats, tokens: npt.NDArray[np.int64], bonded: Bools) -> str:
    """DSSP letter of each residue: H, G, I helices, E strand, B lone bridge, T turn, S bend, C the rest.

    Args:
        coordinates: One chain, [L, 4, 3], N, CA, C, O in Angstrom.
        tokens: [L] in 0..19; proline gives no hydrogen bond.
        bonded: [L - 1], False where residues are missing between two rows.
    """
    length = len(coordinates)
    bonds = hydrogen_bonds(coordinates, tokens, bonded)
    # residues of one unbroken piece of the chain have the same number
    piece = np.concatenate([[0], np.cumsum(~bonded)])
    letters = np.full(length, "C")
    letters[_bends(coordinates, piece)] = "S"
    turns = {size: _turns(bonds, piece, size) for size in (3, 4, 5)}
    helices = {size: _helix(turns[size], size) for size in (3, 4, 5)}
    for size, starts in turns.items():
        for start in np.flatnonzero(starts):
            letters[start + 1 : start + size] = "T"
    is_strand, is_bridge = _strands(_bridges(bonds, piece), piece)
    is_alpha = helices[4] & ~helices[5]
    # a 3-10 or pi helix that another structure would cut is only a turn, so whole helices are placed, one by one
    for size, letter in ((3, "G"), (5, "I")):
        taken = is_strand | is_bridge | (is_alpha if size == 3 else np.zeros(length, dtype=bool))
        for start in _helix_starts(turns[size]):
            if not taken[start + 1 : start + 1 + size].any():
                letters[start + 1 : start + 1 + size] = letter
    letters[is_bridge] = "B"
    letters[is_strand] = "E"
    letters[is_alpha & (letters != "I")] = "H"
    return "".join(letters)


def hydrogen_bonds(coordinates: Floats, tokens: npt.NDArray[np.int64], bonded: Bools) -> Bools:
    """Tell for each pair whether the C=O of the first residue takes a hydrogen from the N-H of the second, [L, L].

    The energy 27.9 (1/r_ON + 1/r_CH - 1/r_OH - 1/r_CN) kcal/mol must lie below -0.5.
    """
    atoms = np.asarray(coordinates, dtype=np.float64)
    n, ca, c, o = (atoms[:, atom] for atom in range(4))
    direction = c[:-1] - o[:-1]
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    hydrogen = n.copy()
    hydrogen[1:] += NH_BOND * direction
    has_hydrogen = np.concatenate([[False], bonded]) & (np.asarray(tokens) != PROLINE)
    inverse = {
        name: 1.0 / np.maximum(np.linalg.norm(acceptor[:, None] - donor[None], axis=-1), _CLOSEST)
        for name, acceptor, donor in (("on", o, n), ("ch", c, hydrogen), ("oh", o, hydrogen), ("cn", c, n))
    }
    energy = np.maximum(COUPLING * (inverse["on"] + inverse["ch"] - inverse["oh"] - inverse["cn"]), _LOWEST)
    is_near = np.linalg.norm(ca[:, None] - ca[None], axis=-1) < NEAR
    separation = np.arange(len(n))[None] - np.arange(len(n))[:, None]
    return (energy < BOND) & is_near & has_hydrogen[None] & (separation != 0) & (separation != 1)


def bridges(bonds: Bools, bonded: Bools) -> Bools:
    """Return which pairs of residues form a bridge, parallel or antiparallel, [L, L]: what ladders are made of.

    Args:
        bonds: [L, L], from `hydrogen_bonds`.
        bonded: [L - 1], False where residues are missing between two rows.
    """
    found = _bridges(bonds, np.concatenate([[0], np.cumsum(~bonded)]))
    return found.parallel | found.antiparallel


def _bends(coordinates: Floats, piece: npt.NDArray[np.int64]) -> Bools:
    ca = np.asarray(coordinates[:, 1], dtype=np.float64)
    is_bend = np.zeros(len(ca), dtype=bool)
    if len(ca) >= 5:
        before, after = ca[2:-2] - ca[:-4], ca[4:] - ca[2:-2]
        norms = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
        cosine = np.sum(before * after, axis=-1) / np.maximum(norms, 1e-9)
        is_bend[2:-2] = (cosine < np.cos(np.radians(_BEND))) & (piece[:-4] == piece[4:])
    return is_bend


def _turns(bonds: Bools, piece: npt.NDArray[np.int64], size: int) -> Bools:
    """Return where an n-turn begins, [L]: the C=O of i bonded to the N-H of i + n."""
    turns = np.zeros(len(bonds), dtype=bool)
    if len(bonds) > size:
        turns[:-size] = np.diagonal(bonds, size) & (piece[:-size] == piece[size:])
    return turns


def _helix_starts(turns: Bools) -> npt.NDArray[np.int64]:
    """Residues before a minimal helix: two turns in a row, at i and i + 1."""
    return np.flatnonzero(turns[:-1] & turns[1:])


def _helix(turns: Bools, size: int) -> Bools:
    is_helix = np.zeros(len(turns), dtype=bool)
    for start in _helix_starts(turns):
        is_helix[start + 1 : start + 1 + size] = True
    return is_helix


def _bridges(bonds: Bools, piece: npt.NDArray[np.int64]) -> _Bridges:
    """Patterns of two bonds between residues i and j that are at least three apart and have both neighbours."""
    length = len(bonds)
    parallel, antiparallel = np.zeros((2, length, length), dtype=bool)
    if length >= 3:
        middle, low, high = slice(1, -1), slice(0, -2), slice(2, None)
        # bonds[k, l]: C=O of k to N-H of l
        first = bonds[low, middle] & bonds[middle, high].T
        parallel[middle, middle] = first | first.T
        antiparallel[middle, middle] = (bonds[middle, middle] & bonds[middle, middle].T) | (
            bonds[low, high] & bonds[low, high].T
        )
    number = np.arange(length)
    inside = np.zeros(length, dtype=bool)
    inside[1:-1] = piece[:-2] == piece[2:]
    allowed = (np.abs(number[:, None] - number[None]) >= 3) & inside[:, None] & inside[None]
    return _Bridges(parallel & allowed, antiparallel & allowed)


def _strands(bridges: _Bridges, piece: npt.NDArray[np.int64]) -> tuple[Bools, Bools]:
    """Return which residues lie in a ladder of two bridges or more, [L], and which are in any bridge, [L].

    Bridges of one kind follow each other in a ladder where one strand moves by at most 2 residues and the other by at
    most 5; what lies between them (a bulge) belongs to the strands.
    """
    is_strand = np.zeros(len(piece), dtype=bool)
    for found, sense in ((bridges.parallel, 1), (bridges.antiparallel, -1)):
        first, second = np.nonzero(found)
        step = first[None] - first[:, None]
        partner_step = sense * (second[None] - second[:, None])
        steps = np.minimum(step, partner_step), np.maximum(step, partner_step)
        follows = (steps[0] >= 1) & (steps[0] <= 2) & (steps[1] <= 5)
        for this, following in np.argwhere(follows):
            start, stop = first[this], first[following]
            # the bridge (j, i) marks the partner's strand, as every bridge stands there twice
            if piece[start] == piece[stop]:
                is_strand[start : stop + 1] = True
    return is_strand, np.any(bridges.parallel | bridges.antiparallel, axis=1)
