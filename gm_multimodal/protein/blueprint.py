"""Blueprints: what one design is before it is sampled, and the tensors of a block of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gm_multimodal.product import Known, Product
from gm_multimodal.protein.backbone import Backbone, ResidueId, numbered, unbroken
from gm_multimodal.protein.batch import padded, residue_sites
from gm_multimodal.protein.factors import TRANSLATIONS, encode, given, parts_of
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.protein.tasks import place_origin

Mask = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True)
class Blueprint:
    """One design before it is sampled: its residues, what of them is given, and how they are named.

    Attributes:
        backbone: its residues, named as in the files that are written; coordinates, in the frame of the input, are read
            where the structure is given, types where the sequence is, and both everywhere by a simulation that begins
            with a noised protein.
        structure_given: bool [L].
        sequence_given: bool [L].
        source: where a residue that is copied from an input stands there, L of them; None where it is designed.
        side_chains: of residues that are given whole.
        native: True if the types are those of an input everywhere, so that a recovery can be told.
        name: of the input, if there is one.
    """

    backbone: Backbone
    structure_given: Mask
    sequence_given: Mask
    source: tuple[ResidueId | None, ...]
    side_chains: Mapping[int, SideChain] = field(default_factory=dict)
    native: bool = False
    name: str = ""

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.backbone)


def blank(length: int) -> Blueprint:
    """Return the blueprint of a chain of which nothing is given: A, numbered from 1."""
    nothing = np.zeros(length, dtype=bool)
    backbone = unbroken(np.zeros((length, 4, 3), dtype=np.float32), np.zeros(length, dtype=np.int64))
    backbone = replace(backbone, labels=numbered(length))
    return Blueprint(backbone, structure_given=nothing, sequence_given=nothing, source=(None,) * length)


def to_known(
    blueprints: Sequence[Blueprint], product: Product, device: torch.device
) -> tuple[Known, npt.NDArray[np.float32]]:
    """Put blueprints side by side, padded to the longest, each with its origin in place.

    Returns:
        What is given, and where the origin of each row lies in the frame of its input, [B, 3] (Angstrom).
    """
    parts = parts_of(product)
    values, absent = encode([item.backbone for item in blueprints], parts)
    assert set(values) == set(product), f"a protein has the factors {', '.join(values)}"
    mask: dict[str, Tensor] = {}
    for part in parts:
        rows = [given(part, item.structure_given, item.sequence_given) for item in blueprints]
        mask |= dict.fromkeys(part.spaces, padded(rows))
    mask |= {name: mask[name] & ~unknown for name, unknown in absent.items()}
    present = padded([np.ones(len(item), dtype=bool) for item in blueprints])
    index = padded([item.backbone.position for item in blueprints])
    chain = padded([item.backbone.chain for item in blueprints])
    known = Known(values, mask, residue_sites(present, index, chain))
    placed = place_origin(known)
    origins = 10 * (values[TRANSLATIONS] - placed.values[TRANSLATIONS])[:, 0]
    return _on(placed, device), origins.numpy()


def _on(known: Known, device: torch.device) -> Known:
    def moved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: x.to(device) for name, x in tensors.items()}

    return Known(moved(known.values), moved(known.mask), known.sites.to(device))
