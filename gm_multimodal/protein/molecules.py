"""Where one molecule ends and the next begins among atoms that share the name of a chain.

Programs of molecular dynamics leave the name blank or give all molecules the same. What tells them apart is a TER
record, a segment identifier or the database's own chain (`mark`), a residue number that falls, or an atom that comes
again somewhere else. None of these counts between residues that are bonded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from biotite.structure import AtomArray

from gm_multimodal.protein.breaks import bonded

_CLOSEST: Final = 3.0  # Angstrom; two molecules do not come closer, and alternatives of an atom are not farther apart
_BACKBONE: Final = ("N", "CA", "C")
SUGAR: Final = ("C1'", "C1*")
"""Names of the atom that every nucleotide has."""


@dataclass
class _Group:
    """Atoms of one residue that follow each other in the file."""

    number: int
    insertion: str
    mark: int
    order: int
    rows: list[int] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    backbone: list[int] = field(default_factory=lambda: [-1, -1, -1])
    is_hetero: bool = True
    is_nucleotide: bool = False

    @property
    def key(self) -> tuple[int, str]:
        return self.number, self.insertion


@dataclass(frozen=True)
class AtomColumns:
    """Annotations of atoms as lists, which are faster to read one by one.

    Attributes:
        source: the atoms.
        number: of the residue.
        insertion: its insertion code.
        residue: its name.
        name: of the atom.
        altloc: of the alternative location.
        hetero: whether it is a HETATM.
        occupancy: of the atom.
        mark: changes where the file says that a molecule ends.
        order: place along the chain as far as numbers tell it.
    """

    source: AtomArray
    number: list[int]
    insertion: list[str]
    residue: list[str]
    name: list[str]
    altloc: list[str]
    hetero: list[bool]
    occupancy: list[float]
    mark: list[int]
    order: list[int]

    @classmethod
    def of(cls, atoms: AtomArray) -> "AtomColumns":
        """Return the columns of atoms as `StructureFile.atoms` gives them."""
        names = ("res_id", "ins_code", "res_name", "atom_name", "altloc_id", "hetero", "occupancy", "mark", "order")
        return cls(atoms, *(atoms.get_annotation(name).tolist() for name in names))


def molecules(atoms: AtomColumns, rows: Sequence[int]) -> list[list[int]]:
    """Return the atoms of each molecule among those of one chain name, in the order of the file.

    Ligands, ions and water stay with the molecule that they follow, those behind a mark with the first.
    """
    groups = list(_groups(atoms, rows))
    is_bonded = _bonds(atoms, groups)
    follows, leads = [False, *is_bonded], [*is_bonded, False]
    is_polymer = [
        group.is_nucleotide or (group.backbone[1] >= 0 and (not group.is_hetero or follows[i] or leads[i]))
        for i, group in enumerate(groups)
    ]
    marked = {group.mark for i, group in enumerate(groups) if is_polymer[i]}
    found: list[list[int]] = [[]]
    seen: dict[tuple[int, str], _Group] = {}  # what the molecule has
    last: _Group | None = None
    for i, group in enumerate(groups):
        if group.mark not in marked:
            found[0] += group.rows
            continue
        # a residue that is not in the chain begins no molecule, unless it is the first behind a mark
        if last is not None and not follows[i] and _begins(group, last, is_polymer[i], seen, atoms):
            found.append([])
            seen = {}
        found[-1] += group.rows
        seen.setdefault(group.key, group)
        if is_polymer[i] or last is None or group.mark != last.mark:
            last = group
    return [sorted(part) for part in found if part]


def _begins(
    group: _Group, last: _Group, is_polymer: bool, seen: Mapping[tuple[int, str], _Group], atoms: AtomColumns
) -> bool:
    if group.mark != last.mark:
        return True
    if not is_polymer or group.is_nucleotide or (group.key != last.key and group.order >= last.order):
        return False
    earlier = seen.get(group.key)
    return earlier is None or _are_apart(group, earlier, atoms)


def _are_apart(group: _Group, earlier: _Group, atoms: AtomColumns) -> bool:
    """Whether an atom comes again too far from the first to be a duplicate or an alternative of it."""
    again = [(row, earlier.places[place]) for place, row in group.places.items() if place in earlier.places]
    return any(np.linalg.norm(atoms.source.coord[a] - atoms.source.coord[b]) > _CLOSEST for a, b in again)


def _groups(atoms: AtomColumns, rows: Sequence[int]) -> Iterator[_Group]:
    """Yield the residues as they follow each other; where an atom of a backbone comes again far off one begins too."""
    group: _Group | None = None
    for row in rows:
        name, key = atoms.name[row], (atoms.number[row], atoms.insertion[row])
        if group is None or key != group.key or atoms.mark[row] != group.mark or _is_far(group, name, row, atoms):
            if group is not None:
                yield group
            group = _Group(*key, atoms.mark[row], atoms.order[row])
        group.rows.append(row)
        group.places.setdefault((name, atoms.altloc[row]), row)
        if name in _BACKBONE and group.backbone[_BACKBONE.index(name)] < 0:
            group.backbone[_BACKBONE.index(name)] = row
        group.is_hetero &= atoms.hetero[row]
        group.is_nucleotide |= name in SUGAR and not atoms.hetero[row]
    if group is not None:
        yield group


def _is_far(group: _Group, name: str, row: int, atoms: AtomColumns) -> bool:
    earlier = group.places.get((name, atoms.altloc[row])) if name in _BACKBONE else None
    if earlier is None:
        return False
    return bool(np.linalg.norm(atoms.source.coord[row] - atoms.source.coord[earlier]) > _CLOSEST)


def _bonds(atoms: AtomColumns, groups: Sequence[_Group]) -> list[bool]:
    """Whether a peptide bond leads from each group to the next."""
    places = np.array([group.backbone for group in groups], dtype=np.int64).reshape(-1, 3)
    backbones = np.where((places < 0)[..., None], np.float32(np.nan), atoms.source.coord[places])
    return [bool(value) for value in bonded(backbones)]
