"""The parts of a protein and their factors: the one list that batches, tasks, sampling and files go by.

A part says of its factors where their points live, how residues become points and points residues again, and which
atoms they place. How a network reads and predicts the points of a further part is a `SitePart` of the network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.product import State
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.frames import backbone_from_frames, frames_from_backbone
from gm_multimodal.protein.residues import RESIDUES
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.protein.torsions import Torsions
from gm_multimodal.spaces.base import StateSpace, expand_as
from gm_multimodal.spaces.categorical import MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations

TRANSLATIONS, ROTATIONS, SEQUENCE = "translations", "rotations", "sequence"

STRUCTURE: Final = (TRANSLATIONS, ROTATIONS)

Given = Literal["structure", "sequence"]
"""What a task can give of a residue."""


class Part(Protocol):
    """What residues have of one kind: one or more factors that are given and staged together."""

    @property
    def spaces(self) -> Mapping[str, StateSpace]:
        """Where the point of a residue lives, by the names of the factors."""
        ...

    @property
    def padding(self) -> Mapping[str, Tensor]:
        """The point that stands where there is no residue, or where the data say nothing of it, [*E] each."""
        ...

    @property
    def given_with(self) -> frozenset[Given]:
        """What must be given of a residue for this to be given too."""
        ...

    @property
    def is_late(self) -> bool:
        """Whether it sets out late in a staged simulation, as residue types do, or arrives early."""
        ...

    def is_told(self, backbone: Backbone) -> bool:
        """Return whether anything is known of it."""
        ...

    def encode(self, backbone: Backbone) -> Mapping[str, Tensor]:
        """Return the points of the residues, [L, *E] each; NaN where the data say nothing."""
        ...

    def decode(self, points: State, backbone: Backbone) -> Backbone:
        """Return the residues with what the points [L, *E] of one row say of this part."""
        ...

    def side_chains(self, backbone: Backbone) -> Mapping[int, SideChain]:
        """Return the atoms beyond the backbone that this part places, by residue."""
        ...


@final
class _Structure:
    """Where residues are and how they are turned: the frames of N, CA and C."""

    spaces: Mapping[str, StateSpace] = {TRANSLATIONS: Euclidean(3), ROTATIONS: Rotations()}
    padding: Mapping[str, Tensor] = {TRANSLATIONS: torch.zeros(3), ROTATIONS: torch.eye(3)}
    given_with: frozenset[Given] = frozenset({"structure"})
    is_late = False

    def is_told(self, backbone: Backbone) -> bool:
        """Return True: a residue without a complete backbone is none."""
        return True

    def encode(self, backbone: Backbone) -> Mapping[str, Tensor]:
        """Return positions (nm) and orientations; a residue whose atoms coincide, being designed, is not turned."""
        coordinates = torch.from_numpy(backbone.coordinates)
        translations, rotations = frames_from_backbone(coordinates)
        has_atoms = (coordinates[..., 0, :] != coordinates[..., 2, :]).any(-1)
        unturned = self.padding[ROTATIONS].to(rotations)
        return {
            TRANSLATIONS: translations,
            ROTATIONS: torch.where(expand_as(has_atoms, rotations), rotations, unturned),
        }

    def decode(self, points: State, backbone: Backbone) -> Backbone:
        """Place N, CA, C and O, chain by chain."""
        x, r = points[TRANSLATIONS], points[ROTATIONS]
        atoms = torch.cat([backbone_from_frames(x[part], r[part]) for part in backbone.chain_slices()])
        return replace(backbone, coordinates=atoms.float().cpu().numpy())

    def side_chains(self, backbone: Backbone) -> Mapping[int, SideChain]:
        """Return none."""
        return {}


@final
class _Sequence:
    """Which of the twenty types residues have."""

    spaces: Mapping[str, StateSpace] = {SEQUENCE: MaskedCategorical(len(RESIDUES))}
    padding: Mapping[str, Tensor] = {SEQUENCE: torch.tensor(0)}
    given_with: frozenset[Given] = frozenset({"sequence"})
    is_late = True

    def is_told(self, backbone: Backbone) -> bool:
        """Return True: a residue of no type is none."""
        return True

    def encode(self, backbone: Backbone) -> Mapping[str, Tensor]:
        """Return the tokens."""
        return {SEQUENCE: torch.from_numpy(backbone.tokens)}

    def decode(self, points: State, backbone: Backbone) -> Backbone:
        """Take over the tokens."""
        return replace(backbone, tokens=points[SEQUENCE].cpu().numpy())

    def side_chains(self, backbone: Backbone) -> Mapping[int, SideChain]:
        """Return none."""
        return {}


REQUIRED: Final[tuple[Part, ...]] = (_Structure(), _Sequence())
"""What every model of proteins has."""

FURTHER: Final[tuple[Part, ...]] = (Torsions(),)
"""What it may have beside that."""

PARTS: Final = (*REQUIRED, *FURTHER)


def spaces(parts: Iterable[Part]) -> dict[str, StateSpace]:
    """Return where the points of a residue live, by the names of the factors."""
    return {name: space for part in parts for name, space in part.spaces.items()}


def parts_of(names: Iterable[str]) -> list[Part]:
    """Return the parts whose factors are among some names."""
    wanted = set(names)
    return [part for part in PARTS if wanted & set(part.spaces)]


def told(backbones: Iterable[Backbone]) -> list[Part]:
    """Return the parts of which anything is known of any residue."""
    backbones = list(backbones)
    return [part for part in PARTS if any(map(part.is_told, backbones))]


def is_late(name: str) -> bool:
    """Return whether a factor is of a part that sets out late."""
    return any(part.is_late for part in parts_of([name]))


def encode(backbones: Sequence[Backbone], parts: Sequence[Part]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Put residues side by side as points, padded to the longest row.

    Returns:
        Points [B, N, *E] of every factor, and for those of which the data do not say everything, where that is, [B, N].
    """
    state, absent = {}, {}
    lengths = torch.tensor([len(backbone) for backbone in backbones])
    present = torch.arange(int(lengths.max())) < lengths[:, None]
    for part in parts:
        rows = [part.encode(backbone) for backbone in backbones]
        for name, padding in part.padding.items():
            x = pad_sequence([row[name] for row in rows], batch_first=True)
            is_known = present
            if x.is_floating_point() and (unknown := x.isnan().flatten(2).any(-1)).any():
                absent[name], is_known = unknown, present & ~unknown
            state[name] = torch.where(expand_as(is_known, x), x, padding.to(x))
    return state, absent


def decode(points: State, backbone: Backbone) -> Backbone:
    """Return the residues with all that the points [L, *E] of one row say of them."""
    for part in parts_of(points):
        backbone = part.decode(points, backbone)
    return backbone


def side_chains(backbone: Backbone) -> dict[int, SideChain]:
    """Return the atoms beyond the backbone that are placed by what is known of the residues."""
    return {number: atoms for part in told([backbone]) for number, atoms in part.side_chains(backbone).items()}


def windows(names: Iterable[str], structure_end: float, sequence_start: float) -> dict[str, tuple[float, float]]:
    """Return which share of a staged simulation each factor moves in."""
    return {name: (sequence_start, 1.0) if is_late(name) else (0.0, structure_end) for name in names}


def given(part: Part, structure: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """Return where a part is given, bool [L], from where the structure and the sequence are."""
    masks = {"structure": structure, "sequence": sequence}
    return np.logical_and.reduce([masks[name] for name in part.given_with])
