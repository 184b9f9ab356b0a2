"""Blueprints: what one design is before it is sampled, and the tensors of a block of them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gm_multimodal.product import Known, Product
from gm_multimodal.protein.backbone import frames_from_backbone
from gm_multimodal.protein.batch import ROTATIONS, SEQUENCE, TRANSLATIONS, residue_sites
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.protein.tasks import STRUCTURE, place_origin

Mask = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True, order=True)
class ResidueId:
    """The name of a residue in a file: chain, number and insertion code (or an empty string)."""

    chain: str
    number: int
    insertion_code: str = ""

    def __str__(self) -> str:
        """Return the name as a contig has it, such as A52B."""
        return f"{self.chain}{self.number}{self.insertion_code}"


@final
@dataclass(frozen=True)
class Blueprint:
    """One design before it is sampled: its residues, what of them is given, and how they are named.

    Attributes:
        coordinates: N, CA, C, O in the frame of the input, [L, 4, 3] float32 (Angstrom); read where the structure is
            given, and everywhere by a simulation that begins with a noised protein.
        tokens: residue types, [L] int64 in 0 ... 19; read where the sequence is given, and as above.
        structure_given: bool [L].
        sequence_given: bool [L].
        chain: number of the chain of a residue, [L] int64, not decreasing.
        position: place of a residue along its chain, [L] int64; a gap in the chain is a gap in the positions.
        labels: names of the residues in the files that are written, L of them.
        source: where a residue that is copied from an input stands there, L of them; None where it is designed.
        side_chains: of residues that are given whole.
        native: True if `tokens` are those of an input everywhere, so that a recovery can be told.
        name: of the input, if there is one.
    """

    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]
    structure_given: Mask
    sequence_given: Mask
    chain: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    labels: tuple[ResidueId, ...]
    source: tuple[ResidueId | None, ...]
    side_chains: Mapping[int, SideChain] = field(default_factory=dict)
    native: bool = False
    name: str = ""

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.tokens)

    def chain_slices(self) -> list[slice]:
        """Return the residues of every chain, in order."""
        starts = [0, *(np.flatnonzero(np.diff(self.chain)) + 1), len(self)]
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(starts)]


def blank(length: int) -> Blueprint:
    """Return the blueprint of a chain of which nothing is given: A, numbered from 1."""
    nothing = np.zeros(length, dtype=bool)
    return Blueprint(
        coordinates=np.zeros((length, 4, 3), dtype=np.float32),
        tokens=np.zeros(length, dtype=np.int64),
        structure_given=nothing,
        sequence_given=nothing,
        chain=np.zeros(length, dtype=np.int64),
        position=np.arange(length),
        labels=tuple(ResidueId("A", number + 1) for number in range(length)),
        source=(None,) * length,
    )


def to_known(
    blueprints: Sequence[Blueprint], product: Product, device: torch.device
) -> tuple[Known, npt.NDArray[np.float32]]:
    """Put blueprints side by side, padded to the longest, each with its origin in place.

    Returns:
        What is given, and where the origin of each row lies in the frame of its input, [B, 3] (Angstrom).
    """
    length = max(map(len, blueprints))
    coordinates = torch.from_numpy(_padded([item.coordinates for item in blueprints], length))
    present = torch.from_numpy(_padded([np.ones(len(item), dtype=bool) for item in blueprints], length))
    translations, rotations = frames_from_backbone(coordinates)
    is_backbone = (coordinates[..., 0, :] != coordinates[..., 2, :]).any(-1)[..., None, None]
    values = {
        TRANSLATIONS: translations,
        ROTATIONS: torch.where(is_backbone, rotations, torch.eye(3)),
        SEQUENCE: torch.from_numpy(_padded([item.tokens for item in blueprints], length)),
    }
    assert set(values) == set(product), f"a protein has the factors {', '.join(values)}"
    structure = torch.from_numpy(_padded([item.structure_given for item in blueprints], length))
    sequence = torch.from_numpy(_padded([item.sequence_given for item in blueprints], length))
    index = torch.from_numpy(_padded([item.position for item in blueprints], length))
    chain = torch.from_numpy(_padded([item.chain for item in blueprints], length))
    mask = {SEQUENCE: sequence} | dict.fromkeys(STRUCTURE, structure)
    known = Known(values, mask, residue_sites(present, index, chain))
    placed = place_origin(known)
    origins = 10 * (translations - placed.values[TRANSLATIONS])[:, 0]
    return _on(placed, device), origins.numpy()


def _on(known: Known, device: torch.device) -> Known:
    def moved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: x.to(device) for name, x in tensors.items()}

    return Known(moved(known.values), moved(known.mask), known.sites.to(device))


def _padded(rows: Sequence[npt.NDArray], length: int) -> npt.NDArray:
    """Stack rows of unequal length with zeros behind them, [B, length, ...]."""
    first = rows[0]
    padded = np.zeros((len(rows), length, *first.shape[1:]), dtype=first.dtype)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
