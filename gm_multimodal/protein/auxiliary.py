"""Auxiliary losses on the predicted backbone: what the joint loss of independent factors does not see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.networks.layers import in_full_precision
from gm_multimodal.objective import Matching
from gm_multimodal.product import Known
from gm_multimodal.protein.backbone import ideal_atoms
from gm_multimodal.protein.batch import ROTATIONS, TRANSLATIONS


@final
@dataclass(frozen=True)
class BackboneLosses:
    """Squared errors of the predicted backbone late in time, in nm^2, each weighted by (1 - min(t, time_clip))^-2.

    Attributes:
        atoms: weight of the positions of N, CA, C.
        bonded: weight of the distances between N, CA, C of residues at most three apart along the chain.
        contacts: weight of the CA distances of pairs that are closer than 1.2 nm in the data.
        clashes: weight of the overlap of CA closer than 0.37 nm, three or more residues apart.
        start: time before which these losses are off: the endpoint is a blurred mean there.
        time_clip: time beyond which the weight no longer grows.
    """

    atoms: float = 0.5
    bonded: float = 6.0
    contacts: float = 1.0
    clashes: float = 50.0
    start: float = 0.35
    time_clip: float = 0.9

    @in_full_precision
    def __call__(self, matching: Matching, known: Known) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the weighted sum, [], and the parts for the log."""
        x, r = (matching.predictions[name].mean() for name in (TRANSLATIONS, ROTATIONS))
        guess = ideal_atoms(x, r)
        truth = ideal_atoms(known.values[TRANSLATIONS], known.values[ROTATIONS])
        present = known.present
        weight = self._row_weight(matching, known)
        square = (guess - truth).square().sum((-1, -2))
        parts = {
            "atoms": (_row_mean(square, present) * weight).sum(),
            "bonded": (self._bonded(guess, truth, present) * weight).sum(),
        }
        contacts, clashes = self._pairs(guess[..., 1, :], truth[..., 1, :], present)
        parts |= {"contacts": (contacts * weight).sum(), "clashes": (clashes * weight).sum()}
        total = torch.stack([getattr(self, name) * part for name, part in parts.items()]).sum()
        return total, parts

    def _row_weight(self, matching: Matching, known: Known) -> Tensor:
        """Return the weight of every row, [B], summing over rows to a mean; 0 where no coordinate is generated."""
        free = known.free(TRANSLATIONS) | known.free(ROTATIONS)
        t = torch.where(known.free(TRANSLATIONS), matching.times[TRANSLATIONS], torch.ones(())).amin(-1)
        is_on = free.any(-1) & (t > self.start)
        return is_on / (1 - t.clamp(max=self.time_clip)) ** 2 / free.any(-1).sum().clamp(min=1)

    @staticmethod
    def _bonded(guess: Tensor, truth: Tensor, present: Tensor) -> Tensor:
        total = torch.zeros(present.shape[0], device=present.device)
        for k in (1, 2, 3):
            error = _distance(guess[:, k:, :, None], guess[:, :-k, None]) - _distance(
                truth[:, k:, :, None], truth[:, :-k, None]
            )
            total = total + _row_mean(error.square().mean((-1, -2)), present[:, k:] & present[:, :-k])
        return total

    @staticmethod
    def _pairs(guess: Tensor, truth: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        d, d_true = _distance(guess[:, :, None], guess[:, None]), _distance(truth[:, :, None], truth[:, None])
        pairs = present[:, :, None] & present[:, None]
        close = (d_true < 1.2) & pairs
        contacts = ((d - d_true).square() * close).sum((1, 2)) / close.sum((1, 2)).clamp(min=1)
        site = torch.arange(present.shape[1], device=present.device)
        apart = ((site[:, None] - site).abs() > 2) & pairs
        overlap = (0.37 - d).clamp(min=0).square() * apart
        return contacts, overlap.sum((1, 2)) / present.sum(-1).clamp(min=1)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b| with a finite derivative at 0, [*B] (nm)."""
    return ((a - b).square().sum(-1) + 1e-6).sqrt()


def _row_mean(value: Tensor, mask: Tensor) -> Tensor:
    return (value * mask).sum(-1) / mask.sum(-1).clamp(min=1)
