"""Batches of chains as padded tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.product import State
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY, Chains
from gm_multimodal.protein.factors import encode
from gm_multimodal.protein.soft_targets import SoftTargets, side_by_side
from gm_multimodal.sites import Sites


@final
@dataclass(frozen=True)
class ProteinBatch:
    """Chains side by side, padded to the longest.

    Attributes:
        state: translations [B, N, 3] (nm), rotations [B, N, 3, 3] (identity where padded), sequence int64 [B, N], and
            the factors of further parts that the dataset tells something of.
        sites: which sites are residues, and their place in a chain.
        secondary: codes of secondary structure, int64 [B, N] (`chains.SECONDARY`, or unknown).
        soft: what a teacher says of hidden residue types; None where nobody was asked.
        absent: where the data say nothing of a factor, bool [B, N]; of a factor that is left out they say all.
    """

    state: State
    sites: Sites
    secondary: Tensor
    soft: SoftTargets | None = None
    absent: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ProteinBatch":
        """Return the batch on another device (called by the trainer with arguments of its own)."""
        state = {name: x.to(device) for name, x in self.state.items()}
        soft = None if self.soft is None else self.soft.to(device)
        absent = {name: x.to(device) for name, x in self.absent.items()}
        return ProteinBatch(state, self.sites.to(device), self.secondary.to(device), soft, absent)

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
    state, absent = encode([row.backbone for row in rows], chains.parts)
    present = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
    index = torch.where(present, padded([row.backbone.position for row in rows]), single_chain(present)[INDEX])
    secondary = padded([row.secondary for row in rows], UNKNOWN_SECONDARY)
    sites = residue_sites(present, index, padded([row.backbone.chain for row in rows]))
    soft = side_by_side([row.patterns for row in rows], present.shape[1])
    return ProteinBatch(state, sites, secondary, soft, absent)


def padded(rows: Sequence[npt.NDArray[Any]], value: int = 0) -> Tensor:
    """Return rows of unequal length side by side, filled up with a value, [B, longest, ...]."""
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
