"""What a network may be told of residues, and the random part of the truth that training tells it."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from gm_multimodal.networks.chain_context import CHAIN
from gm_multimodal.networks.trunk import CONDITION_STATES
from gm_multimodal.noise import Noise
from gm_multimodal.protein.batch import ProteinBatch
from gm_multimodal.protein.factors import TRANSLATIONS

SECONDARY: Final = "secondary"
"""Condition: 0 = unknown, 1 = helix, 2 = strand, 3 = coil."""
INTERFACE: Final = "interface"
"""Condition: 0 = unknown, 1 = CA within 8 Angstrom of a CA of another chain, 2 = not."""

_YES, _NO = 1, 2
_CONTACT = 0.8  # nm
_HIDDEN = 0.5  # share of rows that are told nothing
_COMPLETE = 0.25  # share of the others that are told everything
_SHIFT = 2  # residues by which ends of segments move at most: nobody knows them better


def true_conditions(batch: ProteinBatch) -> dict[str, Tensor]:
    """Return the states of every condition in the data, int64 [B, N]; unknown where there is padding or no label."""
    present = batch.sites.present
    # The codes of the dataset are one lower, and the last means unknown.
    secondary = (batch.secondary + 1) % CONDITION_STATES
    known = {SECONDARY: secondary, INTERFACE: interface(batch.state[TRANSLATIONS], batch.sites[CHAIN], present)}
    return {name: torch.where(present, states, 0) for name, states in known.items()}


def interface(x: Tensor, chain: Tensor, present: Tensor) -> Tensor:
    """Return which residues are at an interface, int64 [B, N].

    A row of one chain says nothing: it may have been taken out of a complex.

    Args:
        x: positions of CA, [B, N, 3] (nm).
        chain: number of the chain, [B, N].
        present: True = a residue, [B, N].
    """
    others = (chain[:, :, None] != chain[:, None]) & present[:, :, None] & present[:, None]
    is_near = ((torch.cdist(x, x) < _CONTACT) & others).any(-1)
    states = torch.where(is_near, _YES, _NO)
    return torch.where(others.any(-1), states, 0)


def random_conditions(batch: ProteinBatch, noise: Noise) -> Mapping[str, Tensor]:
    """Return what training tells the network: of each condition a random part, with uncertain ends.

    Nothing is told in half of the rows. Of the others a quarter is told everything; in the rest every segment, a run of
    one state, is told with a probability that is uniform in [0, 1]. Ends of segments move by up to two residues.
    """
    chain = batch.sites[CHAIN]
    drawn = {name: _told(states, chain, noise) for name, states in true_conditions(batch).items()}
    return {name: torch.where(batch.sites.present, states, 0) for name, states in drawn.items()}


def _told(states: Tensor, chain: Tensor, noise: Noise) -> Tensor:
    """Return the states [B, N] of segments with moved ends, 0 in the segments that are left out."""
    rows, sites = states.shape
    starts = torch.ones_like(states, dtype=torch.bool)
    starts[:, 1:] = (states[:, 1:] != states[:, :-1]) | (chain[:, 1:] != chain[:, :-1])
    segment = starts.cumsum(1) - 1
    of_segment = torch.zeros_like(states).scatter(1, segment, states)
    segment = _moved_starts(starts, chain, noise).cumsum(1) - 1
    kept = noise.uniform((rows, sites)).gather(1, segment) < _shares(rows, noise)
    return torch.where(kept, of_segment.gather(1, segment), 0)


def _moved_starts(starts: Tensor, chain: Tensor, noise: Noise) -> Tensor:
    """Return how many segments start at each site, [B, N], after each start has moved within its chain."""
    rows, sites = starts.shape
    site = torch.arange(sites, device=starts.device).expand(rows, sites)
    moved = site + torch.floor(noise.uniform((rows, sites)) * (2 * _SHIFT + 1)).long() - _SHIFT
    moved = moved.clamp(0, sites - 1)
    begins_chain = torch.ones_like(starts)
    begins_chain[:, 1:] = chain[:, 1:] != chain[:, :-1]
    moved = torch.where((chain.gather(1, moved) == chain) & ~begins_chain, moved, site)
    return torch.zeros_like(site).scatter_add(1, moved, starts.long())


def _shares(rows: int, noise: Noise) -> Tensor:
    """Draw the share of segments that each row is told, [B, 1]."""
    is_hidden, is_complete = noise.uniform((rows, 1)) < _HIDDEN, noise.uniform((rows, 1)) < _COMPLETE
    share = torch.where(is_complete, 1.0, noise.uniform((rows, 1)))
    return torch.where(is_hidden, 0.0, share)
