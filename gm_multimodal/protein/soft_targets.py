"""Soft targets of the sequence: laws of hidden residue types by a teacher, given the backbone and revealed types.

E[onehot(s_i) | X_t, s_u] = E[p(s_i | X, s_u) | X_t, s_u] for s ~ p(. | X): cross-entropy against the teacher's law of
residue i, given the whole backbone X and the revealed types s_u, has the same minimiser as cross-entropy against types
drawn from it, with less variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from gm_multimodal.noise import Noise
from gm_multimodal.product import Drawn
from gm_multimodal.protein.residues import MASK, RESIDUES

CONTEXT: Final = "soft_context"
"""Column: for one pattern after the other, the tokens of all residues, MASK where a type is hidden."""

LEVELS: Final = "soft_levels"
"""Column: for one pattern after the other, `to_levels` of the laws of all hidden residues."""

MOST_LEVEL: Final = 255
"""The level of the likeliest type."""


@final
@dataclass(frozen=True)
class Pattern:
    """A sequence in part, and what a teacher says of the rest.

    Attributes:
        context: residue types, MASK where hidden, [L] int8.
        levels: the law of every hidden residue, [H, 20] uint8.
    """

    context: npt.NDArray[np.int8]
    levels: npt.NDArray[np.uint8]


def to_levels(law: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return round(255 sqrt(p / max p)) of laws p, [*B, 20]: cross-entropies are right to a thousandth of a nat."""
    return np.round(MOST_LEVEL * np.sqrt(law / law.max(-1, keepdims=True))).astype(np.uint8)


def from_levels(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the laws, [*B, 20]: the squares of the levels, normalised."""
    square = levels.astype(np.float32) ** 2
    return square / square.sum(-1, keepdims=True)


@final
@dataclass(frozen=True)
class Choice:
    """One pattern of every row, where there is one that fits.

    Attributes:
        exists: whether there is, bool [B, 1].
        share: of the residues that are revealed, [B, 1].
        context: residue types, MASK where hidden, int64 [B, N].
        law: of every residue; read where hidden, [B, N, 20].
    """

    exists: Tensor
    share: Tensor
    context: Tensor
    law: Tensor

    def drawn(self, tokens: Tensor) -> Drawn:
        """Return the sequences as noised beforehand, with point masses where no pattern says more, tokens [B, N]."""
        known = torch.where(self.exists & (self.context != MASK), self.context, tokens)
        is_soft = self.exists & (self.context == MASK)
        law = torch.where(is_soft[..., None], self.law, functional.one_hot(known, len(RESIDUES)).to(self.law))
        return Drawn(self.exists.expand(tokens.shape), self.context, law)


@final
@dataclass(frozen=True)
class SoftTargets:
    """The patterns of rows side by side, P for each at most.

    Attributes:
        exists: bool [B, P].
        context: residue types, MASK where hidden or padded, int64 [B, P, N].
        law: of every residue; uniform where not hidden, [B, P, N, 20].
    """

    exists: Tensor
    context: Tensor
    law: Tensor

    def to(self, device: torch.device) -> "SoftTargets":
        """Return them on another device."""
        return SoftTargets(self.exists.to(device), self.context.to(device), self.law.to(device))

    def choose(self, present: Tensor, is_free: Tensor, is_hidden: Tensor, noise: Noise) -> Choice:
        """Choose a pattern for every row: one that reveals nothing where the sequence is hidden, else one that does.

        Args:
            present: which sites are residues, bool [B, N].
            is_free: rows of which the sequence is not given, not even in part, bool [B, 1].
            is_hidden: rows at whose time no type is revealed, bool [B, 1].
            noise: stream of draws; those that fit are equally likely.
        """
        share = ((self.context != MASK) & present[:, None]).sum(-1) / present.sum(-1, keepdim=True)
        fits = self.exists & ((share == 0) == is_hidden) & is_free
        row = torch.arange(len(present), device=present.device)
        best = torch.where(fits, noise.uniform(tuple(fits.shape)).to(share), -1.0).argmax(-1)
        return Choice(
            fits.any(-1, keepdim=True), share[row, best][:, None], self.context[row, best], self.law[row, best]
        )


def side_by_side(rows: Sequence[Sequence[Pattern]], sites: int) -> SoftTargets | None:
    """Put the patterns of rows side by side, padded to some number of sites; None if there are none at all."""
    most = max(map(len, rows))
    if most == 0:
        return None
    exists = torch.zeros(len(rows), most, dtype=torch.bool)
    context = torch.full((len(rows), most, sites), MASK)
    law = torch.full((len(rows), most, sites, len(RESIDUES)), 1 / len(RESIDUES))
    for k, patterns in enumerate(rows):
        for number, pattern in enumerate(patterns):
            exists[k, number] = True
            context[k, number, : len(pattern.context)] = torch.from_numpy(pattern.context)
            hidden = torch.from_numpy(np.flatnonzero(pattern.context == MASK))
            law[k, number, hidden] = torch.from_numpy(from_levels(pattern.levels))
    return SoftTargets(exists, context, law)
