"""Side-chain torsions: the angles chi1 to chi4 of a residue (rad), each a factor on the circle.

They are read from all atoms and kept beside the backbone, NaN where a type has no such angle or a file lacks the atoms.
Side chains are placed with the bonds and angles of the chemical component dictionary, which biotite brings along.
The ring of proline has no free torsion: it is neither read nor turned.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import biotite.structure as struc
import numpy as np
import numpy.typing as npt
import torch
from biotite.structure.info import residue
from torch import Tensor, nn

from gm_multimodal.networks.layers import TimeEmbedding, scaled_init_
from gm_multimodal.networks.site_part import SitePart
from gm_multimodal.product import State
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.frames import ANGSTROM_PER_NM, frames_from_backbone
from gm_multimodal.protein.residues import THREE_LETTER
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.spaces.base import StateSpace
from gm_multimodal.spaces.torus import Torus

TORSIONS: Final = ("chi1", "chi2", "chi3", "chi4")

_NAMES: Final = ("N", "CA", "C", "O")  # the first atoms of every residue
_BACKBONE: Final = len(_NAMES)
_RING: Final = "PRO"

Floats = npt.NDArray[np.float32]


@final
class Torsions:
    """The part of a protein that side-chain torsions are."""

    spaces: Mapping[str, StateSpace] = dict.fromkeys(TORSIONS, Torus(1))
    padding: Mapping[str, Tensor] = dict.fromkeys(TORSIONS, torch.zeros(1))
    given_with: frozenset[Literal["structure", "sequence"]] = frozenset({"structure", "sequence"})
    is_late = True

    def is_told(self, backbone: Backbone) -> bool:
        """Return whether any torsion is known."""
        return any(np.isfinite(backbone.further[name]).any() for name in TORSIONS if name in backbone.further)

    def encode(self, backbone: Backbone) -> Mapping[str, Tensor]:
        """Return the torsions, [L, 1] each."""
        unknown = np.full(len(backbone), np.nan, dtype=np.float32)
        return {name: torch.from_numpy(backbone.further.get(name, unknown))[:, None] for name in TORSIONS}

    def decode(self, points: State, backbone: Backbone) -> Backbone:
        """Take over the torsions that a residue of its type has; types are decoded before."""
        count = np.array([torsions_of(int(token)) for token in backbone.tokens])
        found = {name: points[name][:, 0].float().cpu().numpy() for name in TORSIONS}
        known = {name: np.where(count > k, found[name], np.float32(np.nan)) for k, name in enumerate(TORSIONS)}
        return replace(backbone, further={**backbone.further, **known})

    def side_chains(self, backbone: Backbone) -> Mapping[int, SideChain]:
        """Place the side chains of all residues that have a torsion."""
        wanted = np.stack([backbone.further[name] for name in TORSIONS], -1)
        atoms, starts = _assembled(backbone)
        # One torsion after the other, from the backbone outwards: turning one leaves those before it as they are.
        for k in range(len(TORSIONS)):
            turn = wanted[:, k] - struc.dihedral_side_chain(atoms)[:, k]
            for number in np.flatnonzero(np.isfinite(turn)):
                template = _template(int(backbone.tokens[number]))
                if k < template.torsions:
                    axis, moved = template.axes[k], starts[number] + template.moved[k]
                    atoms.coord[moved] = _turned(atoms.coord[moved], atoms.coord[starts[number] + axis], turn[number])
        names, elements = atoms.atom_name.tolist(), atoms.element.tolist()
        ends = [*starts[1:], len(atoms)]
        placed = {}
        for number in np.flatnonzero(np.isfinite(wanted[:, 0])):
            own = slice(starts[number] + _BACKBONE, ends[number])
            xyz = atoms.coord[own].astype(np.float32)
            placed[int(number)] = SideChain(tuple(names[own]), tuple(elements[own]), xyz)
        return placed


def torsions_of(token: int) -> int:
    """Return how many torsions a residue type has; a type that is not chosen yet has none."""
    return _template(token).torsions if token < len(THREE_LETTER) else 0


def with_torsions(backbone: Backbone, side_chains: Sequence[SideChain]) -> Backbone:
    """Return the residues with the torsions that their side chains, L of them, show."""
    parts = []
    for number, (token, side) in enumerate(zip(backbone.tokens, side_chains, strict=True)):
        part = struc.AtomArray(_BACKBONE + len(side.names))
        part.coord = np.concatenate([backbone.coordinates[number], side.coordinates])
        part.atom_name = np.array([*_NAMES, *side.names])
        part.res_name[:], part.res_id[:] = THREE_LETTER[token], number + 1
        parts.append(part)
    chi = struc.dihedral_side_chain(struc.concatenate(parts)).astype(np.float32)
    chi[backbone.tokens == THREE_LETTER.index(_RING)] = np.nan
    return replace(backbone, further={**backbone.further, **dict(zip(TORSIONS, chi.T, strict=True))})


@final
class TorsionPart(SitePart):
    """Shows one torsion to the network by sine and cosine, and predicts where it goes.

    Args:
        factor: chi1 to chi4.
        width: channels of a site, as the trunk has them.
        components: of the mixture that describes the torsion.
    """

    def __init__(self, factor: str, width: int, components: int = 1) -> None:
        super().__init__(factor)
        self.time = TimeEmbedding(1)
        self.read = nn.Linear(2 + self.time.width + 3, width)
        self.write = scaled_init_(nn.Linear(width, 3 * components if components > 1 else 2), 0.1)

    def embed(self, x: Tensor, t: Tensor, previous: Tensor | None) -> Tensor:
        """Embed the angle, its time, and what it was last taken for, [B, N, width]."""
        before = x.new_zeros(*x.shape[:2], 3)
        if previous is not None:
            before = torch.cat([_circle(previous), torch.ones_like(x)], -1)
        return self.read(torch.cat([_circle(x), self.time(t[..., None]), before], -1))

    def emit(self, hidden: Tensor) -> Tensor:
        """Return means, log scales and, of several components, logits, [B, N, 2] or [B, N, 3 K]."""
        return self.write(hidden)


def _circle(angle: Tensor) -> Tensor:
    return torch.cat([angle.sin(), angle.cos()], -1)


@final
@dataclass(frozen=True)
class _Template:
    """A residue type in the frame of its backbone.

    Attributes:
        atoms: N, CA, C, O and then the side chain, heavy atoms alone.
        axes: the two atoms that each torsion turns about.
        moved: the atoms that it turns.
    """

    atoms: struc.AtomArray
    axes: tuple[npt.NDArray[np.int64], ...]
    moved: tuple[npt.NDArray[np.int64], ...]

    @property
    def torsions(self) -> int:
        """How many there are."""
        return len(self.axes)


@functools.cache
def _template(token: int) -> _Template:
    atoms = residue(THREE_LETTER[token])
    atoms = atoms[(atoms.element != "H") & (atoms.atom_name != "OXT")]
    assert tuple(atoms.atom_name[:_BACKBONE]) == _NAMES
    origin, rotation = _frames(atoms.coord[None, :3])
    atoms.coord = ((atoms.coord - origin) @ rotation[0]).astype(np.float32)
    count = 0 if THREE_LETTER[token] == _RING else int(np.isfinite(struc.dihedral_side_chain(atoms)).sum())
    neighbours: dict[int, list[int]] = {k: [] for k in range(len(atoms))}
    for a, b, _ in atoms.bonds.as_array():
        neighbours[int(a)].append(int(b))
        neighbours[int(b)].append(int(a))
    path = [1, _BACKBONE]  # CA, CB, and the atoms that the torsions follow outwards
    while len(path) <= count:
        path.append(next(k for k in neighbours[path[-1]] if k not in path and len(neighbours[k]) > 1))
    axes = [np.array(path[k : k + 2]) for k in range(count)]
    return _Template(atoms, tuple(axes), tuple(_beyond(neighbours, *map(int, axis)) for axis in axes))


def _beyond(neighbours: Mapping[int, list[int]], near: int, far: int) -> npt.NDArray[np.int64]:
    """Return the atoms on the far side of a bond, without its own."""
    found, new = {near, far}, [far]
    while new:
        new = [k for atom in new for k in neighbours[atom] if k not in found]
        found.update(new)
    return np.array(sorted(found - {near, far}))


def _frames(coordinates: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return CA [L, 3] (Angstrom) and orientations [L, 3, 3] of residues."""
    x, rotations = frames_from_backbone(torch.from_numpy(coordinates).double())
    return ANGSTROM_PER_NM * x.numpy(), rotations.numpy()


def _assembled(backbone: Backbone) -> tuple[struc.AtomArray, npt.NDArray[np.int64]]:
    """Return the residues with side chains as the dictionary has them, and where each begins."""
    origins, rotations = _frames(backbone.coordinates)
    parts = []
    for number, token in enumerate(backbone.tokens):
        part = _template(int(token)).atoms.copy()
        part.coord = (part.coord @ rotations[number].T + origins[number]).astype(np.float32)
        part.coord[:_BACKBONE] = backbone.coordinates[number]
        part.res_id[:] = number + 1
        parts.append(part)
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return struc.concatenate(parts), starts


def _turned(points: Floats, axis: Floats, angle: float) -> Floats:
    """Return points turned about the line through the two points of an axis, by Rodrigues' formula."""
    k = (axis[1] - axis[0]) / np.linalg.norm(axis[1] - axis[0])
    v = points - axis[1]
    along = (v @ k)[:, None] * k
    return axis[1] + along + np.cos(angle) * (v - along) + np.sin(angle) * np.cross(k, v)
