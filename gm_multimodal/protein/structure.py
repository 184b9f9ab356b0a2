"""Protein chains read from structure files: which residues make up a backbone, and what stood in its way."""

import itertools
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import StructureError
from gm_multimodal.protein.backbone import Backbone, ResidueId
from gm_multimodal.protein.breaks import bonded, chain_positions
from gm_multimodal.protein.handedness import is_mirrored
from gm_multimodal.protein.molecules import SUGAR, AtomColumns, molecules
from gm_multimodal.protein.residue_names import UNKNOWN_NAME, token_of_name
from gm_multimodal.protein.residues import MASK, THREE_LETTER
from gm_multimodal.protein.side_chains import SELENOMETHIONINE, SideChain, side_chain_of
from gm_multimodal.protein.structure_file import TERMINAL_OXYGENS, StructureFile, open_structure
from gm_multimodal.reading import MAX_BYTES

INCOMPLETE: Final = "residues without a complete backbone"
UNKNOWN: Final = "residues of none of the twenty types"
NUCLEOTIDES: Final = "nucleotides"
DUPLICATES: Final = "residues with duplicate atoms"
NOT_FINITE: Final = "residues whose coordinates are not numbers"

CHAIN_NAMES: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
"""Names of one letter, as the PDB format has room for."""

_N, _CA, _C, _O = range(4)
_NOT_SIDE_CHAIN: Final = ("O", "OXT", "OT2", "OC2", "O2", "O''")  # of the twenty types
_CARBONYL: Final = 1.231  # Angstrom, length of the bond C=O

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Chain:
    """One protein chain of a file.

    Attributes:
        id: Name of the chain, the author's where the file has two; a free letter where the file has none, or gives it
            to another molecule too.
        name_in_file: What the file calls it.
        backbone: The residues that have a complete one, in the order of the file and under the author's numbers where
            it has two; perhaps none.
        b_factors: [L] float32, of CA; a confidence in files of predictions.
        faults: Why residues of the file are not among these, or stand here with a doubt: reason -> how many.
        is_mirrored: Whether it is a mirror image of L-amino acids.
        left_out: Amino acids of the file that are not among these, each with the reason.
        side_chains: What the residues have beyond the backbone, L of them; empty where the file was read without.
    """

    id: str
    name_in_file: str
    backbone: Backbone
    b_factors: Floats
    faults: Mapping[str, int]
    is_mirrored: bool
    left_out: Mapping[ResidueId, str]
    side_chains: tuple[SideChain, ...]

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.backbone)


@dataclass(frozen=True)
class ProteinFile:
    """What one model of a file holds.

    Attributes:
        path: of the file.
        models: how many there are.
        chains: of the model that was read, also those without a usable residue.
    """

    path: Path
    models: int
    chains: tuple[Chain, ...]


@dataclass(frozen=True)
class _Residue:
    """One position of a chain: the row of every atom by name, and those of N, CA, C, O, -1 where there is none.

    The occupancy is the mean over the atoms that only this one of several alternatives has, or else over all.
    """

    number: int
    insertion: str
    name: str
    is_hetero: bool
    rows: tuple[int, int, int, int]
    all_rows: Mapping[str, int]
    occupancy: float


def read_backbone(path: str | Path, *, model: int = 1, max_bytes: int = MAX_BYTES) -> list[Backbone]:
    """Read the protein chains of one model of a structure file.

    Kept are residues of the twenty types with N, CA and C, modified ones as the type they were made from; of
    alternative locations and residue types at one position that with the highest mean occupancy, all its atoms
    together, a complete one before others and else the first. A missing O is rebuilt where the next residue is there;
    HETATM residues count if they are bonded to the chain.

    Args:
        path: ``.pdb``, ``.ent``, ``.cif``, ``.mmcif`` or ``.bcif``, or one of them followed by ``.gz``.
        model: Number of the model, from 1.
        max_bytes: Refuse a file, or what a .gz expands to, that is larger.

    Raises:
        StructureError: The file is missing, of another kind, too large or malformed, lacks the model, or holds no such
            residue.
    """
    return [chain.backbone for chain in read_protein(path, model=model, max_bytes=max_bytes).chains if len(chain)]


def read_protein(
    path: str | Path,
    *,
    model: int = 1,
    side_chains: bool = False,
    unknown: bool = False,
    max_bytes: int = MAX_BYTES,
) -> ProteinFile:
    """Read every chain of one model as `read_backbone` does, with what was left out of it and, if asked, side chains.

    Raises:
        StructureError: As `read_backbone`; one chain at least has a residue.
    """
    file = open_structure(path, side_chains=side_chains, max_bytes=max_bytes)
    chains = chains_of(file, model, unknown=unknown)
    if not any(map(len, chains)):
        reason = "has no protein chain: no residue of the twenty types has all of N, CA, C and O"
        raise StructureError(path, f"{reason} in model {model}")
    return ProteinFile(file.path, file.models, tuple(chains))


def chains_of(file: StructureFile, model: int, *, unknown: bool = False) -> list[Chain]:
    """Return every chain of a model, also those without a usable residue; their faults say what they are.

    With `unknown`, amino acids of an unknown type (UNK) are among the residues, as such whose type is not chosen.

    Raises:
        StructureError: There is no such model, or its atoms are malformed.
    """
    atoms = file.atoms(model)
    chains: dict[str, list[int]] = {}
    for row, name in enumerate(atoms.chain_id.tolist()):
        chains.setdefault(name, []).append(row)
    columns = AtomColumns.of(atoms)
    parts = [(name, part) for name, rows in chains.items() for part in molecules(columns, rows)]
    parts.sort(key=lambda item: item[1][0])
    named_once, free = set(), (name for name in _free_names() if name not in chains)
    found = []
    for name, rows in parts:
        id_ = next(free) if not name or name in named_once else name
        named_once.add(name)
        found.append(_to_chain(id_, name, columns, rows, file.side_chains, unknown))
    return found


def _free_names() -> Iterator[str]:
    """Yield names for chains without one: letters and digits, and then all pairs."""
    yield from CHAIN_NAMES
    yield from map("".join, itertools.product(CHAIN_NAMES, repeat=2))


def _to_chain(
    name: str, name_in_file: str, atoms: AtomColumns, rows: Iterable[int], side_chains: bool, unknown: bool
) -> Chain:
    faults: Counter[str] = Counter()
    residues = list(_residues(atoms, rows, faults))
    places = np.array([residue.rows for residue in residues], dtype=np.int64).reshape(-1, 4)
    backbones = np.where((places < 0)[..., None], np.float32(np.nan), atoms.source.coord[places])
    is_finite: npt.NDArray[np.bool_] = np.asarray(
        (np.isfinite(backbones) | (places < 0)[..., None]).reshape(-1, 12).all(-1)
    )
    is_bonded = bonded(backbones)
    follows, leads = np.append(False, is_bonded), np.append(is_bonded, False)
    # what shares the chain's name without a bond to it is a ligand or water
    in_chain = follows | leads | ~np.array([residue.is_hetero for residue in residues], dtype=bool)
    rebuilt = in_chain & leads & (places[:, _O] < 0) & is_finite
    for i in np.flatnonzero(rebuilt):
        backbones[i, _O] = _carbonyl_oxygen(backbones[i], backbones[i + 1, _N])
    tokens = [_token(residue.name, unknown) if in_chain[i] else None for i, residue in enumerate(residues)]
    is_complete: npt.NDArray[np.bool_] = np.asarray(np.isfinite(backbones.reshape(-1, 12)).all(-1))
    for i in np.flatnonzero(in_chain):
        if not is_finite[i] or not is_complete[i] or tokens[i] is None:
            faults[NOT_FINITE if not is_finite[i] else INCOMPLETE if not is_complete[i] else UNKNOWN] += 1
    kept = np.flatnonzero(in_chain & is_finite & is_complete & np.array([t is not None for t in tokens], dtype=bool))
    labels = tuple(ResidueId(name, residues[i].number, residues[i].insertion) for i in kept)
    backbone = named(backbones[kept], np.array([tokens[i] for i in kept], dtype=np.int64), labels)
    b_factors = atoms.source.b_factor[places[kept, _CA]].astype(np.float32)
    left_out = {
        ResidueId(name, residues[i].number, residues[i].insertion): _reason(residues[i], tokens[i])
        for i in sorted(set(range(len(residues))) - set(kept.tolist()))
        if _has_alpha_carbon(residues[i], atoms) or (in_chain[i] and _is_amino_acid(residues[i]))
    }
    betas = np.array([residues[i].all_rows.get("CB", -1) for i in kept], dtype=np.int64)
    beta_carbons = np.where((betas < 0)[:, None], np.float32(np.nan), atoms.source.coord[betas])
    mirrored = is_mirrored(backbone.coordinates, beta_carbons, backbone.tokens, backbone.is_bonded)
    found: tuple[SideChain, ...] = ()
    if side_chains:
        found = tuple(
            side_chain_of(atoms.source, _beyond_backbone(residues[i]), residues[i].name, token)
            for i, token in zip(kept.tolist(), backbone.tokens.tolist(), strict=True)
        )
    return Chain(name, name_in_file, backbone, b_factors, dict(+faults), mirrored, left_out, found)


def named(coordinates: Floats, tokens: npt.NDArray[np.int64], labels: tuple[ResidueId, ...]) -> Backbone:
    """Return the residues of one chain with the places that bonds and, where there is none, their numbers tell."""
    numbers = np.array([label.number for label in labels], dtype=np.int64)
    position = chain_positions(bonded(coordinates), numbers)
    return Backbone(coordinates, tokens, np.zeros(len(tokens), dtype=np.int64), position, labels)


def _residues(atoms: AtomColumns, rows: Iterable[int], faults: Counter[str]) -> Iterable[_Residue]:
    """Yield the residue at every position of a chain, of the alternatives the fullest, and count what is not a residue.

    Atoms are gathered by number, name and alternative location, not by neighbourhood in the file: where two residue
    types share a position, their atoms may alternate.
    """
    positions: dict[tuple[int, str], dict[str, dict[str, dict[str, int]]]] = {}
    doubled: set[tuple[int, str]] = set()
    for row in rows:
        key = (atoms.number[row], atoms.insertion[row])
        by_altloc = positions.setdefault(key, {}).setdefault(atoms.residue[row], {})
        if atoms.name[row] in by_altloc.setdefault(atoms.altloc[row], {}):
            doubled.add(key)
        else:
            by_altloc[atoms.altloc[row]][atoms.name[row]] = row
    for (number, insertion), by_name in positions.items():
        best = None
        for name, by_altloc in by_name.items():
            shared = by_altloc.get("", {})
            for altloc in [name for name in by_altloc if name] or [""]:
                own = by_altloc[altloc] if altloc else {}
                residue = _to_residue(number, insertion, name, atoms, shared, own)
                if best is None or _is_better(residue, best):
                    best = residue
        assert best is not None
        if any(sugar in names for names in by_name[best.name].values() for sugar in SUGAR):
            faults[NUCLEOTIDES] += not best.is_hetero
            continue
        if (number, insertion) in doubled:
            faults[DUPLICATES] += 1
        yield best


def _is_better(residue: _Residue, other: _Residue) -> bool:
    """Whether a residue is to be read in place of one that stands before it, with all its atoms."""
    return (min(residue.rows[:_O]) >= 0, residue.occupancy) > (min(other.rows[:_O]) >= 0, other.occupancy)


def _to_residue(
    number: int, insertion: str, name: str, atoms: AtomColumns, shared: Mapping[str, int], own: Mapping[str, int]
) -> _Residue:
    row_of = {**shared, **own}
    if name in THREE_LETTER and "O" not in row_of:
        terminal = next((other for other in TERMINAL_OXYGENS if other in row_of), None)
        if terminal is not None:
            row_of["O"] = row_of.pop(terminal)
    rows = (row_of.get("N", -1), row_of.get("CA", -1), row_of.get("C", -1), row_of.get("O", -1))
    is_hetero = all(atoms.hetero[row] for row in row_of.values())
    occupancy = _mean([atoms.occupancy[row] for row in (own or row_of).values()])
    return _Residue(number, insertion, name, is_hetero, rows, row_of, occupancy)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _token(name: str, unknown: bool) -> int | None:
    return MASK if unknown and name == UNKNOWN_NAME else token_of_name(name)


def _beyond_backbone(residue: _Residue) -> list[int]:
    return [row for name, row in residue.all_rows.items() if name not in _NOT_SIDE_CHAIN]


def _has_alpha_carbon(residue: _Residue, atoms: AtomColumns) -> bool:
    row = residue.rows[_CA]
    return row >= 0 and atoms.source.element[row] != "CA"  # of calcium


def _is_amino_acid(residue: _Residue) -> bool:
    return residue.name in (*THREE_LETTER, SELENOMETHIONINE) or sum(row >= 0 for row in residue.rows) > 1


def _reason(residue: _Residue, token: int | None) -> str:
    absent = [name for name, row in zip(("N", "CA", "C", "O"), residue.rows, strict=True) if row < 0]
    if token is None and residue.name not in (*THREE_LETTER, SELENOMETHIONINE):
        return f"{residue.name} is none of the twenty types"
    if absent:
        return f"{residue.name} lacks {', '.join(absent)}"
    return f"{residue.name} is not bonded to a chain" if token is None else f"{residue.name} has no finite coordinates"


def _carbonyl_oxygen(backbone: Floats, next_nitrogen: Floats) -> Floats:
    """O in the plane of CA, C and the next N, opposite to their bisector."""
    carbon = backbone[_C]
    directions = [(atom - carbon) / np.linalg.norm(atom - carbon) for atom in (backbone[_CA], next_nitrogen)]
    bisector = directions[0] + directions[1]
    return carbon - _CARBONYL * bisector / np.linalg.norm(bisector)
