"""Batches of chains as padded tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.networks.frames import CHAIN, INDEX
from gm_multimodal.product import State
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY, Chains
from gm_multimodal.protein.frames import frames_from_backbone
from gm_multimodal.protein.soft_targets import SoftTargets, side_by_side
from gm_multimodal.sites import Sites

TRANSLATIONS, ROTATIONS, SEQUENCE = "translations", "rotations", "sequence"


@final
@dataclass(frozen=True)
class ProteinBatch:
    """Chains side by side, padded to the longest.

    Attributes:
        state: translations [B, N, 3] (nm), rotations [B, N, 3, 3] (identity where padded), sequence int64 [B, N].
        sites: which sites are residues, and their place in a chain.
        secondary: codes of secondary structure, int64 [B, N] (`chains.SECONDARY`, or unknown).
        soft: what a teacher says of hidden residue types; None where nobody was asked.
    """

    state: State
    sites: Sites
    secondary: Tensor
    soft: SoftTargets | None = None

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ProteinBatch":
        """Return the batch on another device (called by the trainer with arguments of its own)."""
        state = {name: x.to(device) for name, x in self.state.items()}
        soft = None if self.soft is None else self.soft.to(device)
        return ProteinBatch(state, self.sites.to(device), self.secondary.to(device), soft)

    def counted(self) -> dict[str, int]:
        """Say how much a training sees in this batch."""
        return {"chains_seen": len(self.sites.present), "residues_seen": int(self.sites.present.sum())}


def collate(chains: Chains, indices: Sequence[int]) -> ProteinBatch:
    """Put some chains side by side.

    Args:
        chains: the dataset.
        indices: which chains, in the order of the rows.
    """
    rows = [chains.rows[i] for i in indices]
    frames = [frames_from_backbone(torch.from_numpy(row.backbone.coordinates)) for row in rows]
    present = pad_sequence([torch.ones(len(x), dtype=torch.bool) for x, _ in frames], batch_first=True)
    rotations = pad_sequence([r for _, r in frames], batch_first=True)
    state = {
        TRANSLATIONS: pad_sequence([x for x, _ in frames], batch_first=True),
        ROTATIONS: torch.where(present[..., None, None], rotations, torch.eye(3)),
        SEQUENCE: _padded([row.backbone.tokens for row in rows]),
    }
    index = torch.where(present, _padded([row.backbone.position for row in rows]), single_chain(present)[INDEX])
    secondary = _padded([row.secondary for row in rows], UNKNOWN_SECONDARY)
    sites = residue_sites(present, index, _padded([row.backbone.chain for row in rows]))
    return ProteinBatch(state, sites, secondary, side_by_side([row.patterns for row in rows], present.shape[1]))


def _padded(rows: Sequence[npt.NDArray[np.int64]], value: int = 0) -> Tensor:
    return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value)


def residue_sites(present: Tensor, index: Tensor, chain: Tensor) -> Sites:
    """Return residues as sites.

    Args:
        present: True = a residue, False = padding, bool [B, N].
        index: position of a residue along its chain, int64 [B, N].
        chain: number of the chain of a residue, int64 [B, N].
    """
    return Sites(present, {INDEX: index, CHAIN: chain})


def bonded_sites(sites: Sites) -> Tensor:
    """Return whether a peptide bond leads from each residue to the next of its row, bool [B, N - 1]."""
    index, chain, present = sites[INDEX], sites[CHAIN], sites.present
    is_next = (chain[:, 1:] == chain[:, :-1]) & (index[:, 1:] == index[:, :-1] + 1)
    return is_next & present[:, 1:] & present[:, :-1]


def single_chain(present: Tensor) -> Sites:
    """Return the residues of rows that hold one chain each, numbered from 0; `present` is bool [B, N]."""
    index = torch.arange(present.shape[1], device=present.device).expand(present.shape)
    return residue_sites(present, index, torch.zeros_like(index))
