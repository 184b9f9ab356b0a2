"""Auxiliary losses on the predicted backbone: what the joint loss of independent factors does not see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.networks.layers import in_full_precision
from gm_multimodal.objective import Matching
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import bonded_sites
from gm_multimodal.protein.bonding import Bonds, bond_distances, find_bonds
from gm_multimodal.protein.factors import ROTATIONS, SEQUENCE, TRANSLATIONS
from gm_multimodal.protein.frames import ideal_atoms

LONG_RANGE_WEIGHT = 3.0
"""What a hydrogen bond between distant residues counts: they are fewer, and hold a fold together."""


@final
@dataclass(frozen=True)
class BackboneLosses:
    """Squared errors of the predicted backbone late in time, in nm^2, each weighted by (1 - min(t, time_clip))^-2.

    Attributes:
        atoms: weight of the positions of N, CA, C.
        bonded: weight of the distances between N, CA, C of residues at most three bonds apart.
        contacts: weight of the CA distances of pairs that are closer than 1.2 nm in the data.
        clashes: weight of the overlap of CA closer than 0.37 nm, three or more residues apart.
        hydrogen_bonds: weight of the distances O-N, O-H, C-N, C-H of the hydrogen bonds of the data, of which those
            between residues more than `LONG_RANGE` apart count `LONG_RANGE_WEIGHT` times.
        start: time before which these losses are off: the endpoint is a blurred mean there.
        time_clip: time beyond which the weight no longer grows.
        on_from: share of a training before which these losses are off: of a blurred guess their gradient is so large
            that nothing else is learnt.
        full_from: share of a training from which they count in full; in between they rise along a line.
    """

    atoms: float = 0.5
    bonded: float = 6.0
    contacts: float = 1.0
    clashes: float = 50.0
    hydrogen_bonds: float = 1.5
    start: float = 0.35
    time_clip: float = 0.9
    on_from: float = 0.0
    full_from: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a rise that ends before it begins."""
        if not 0 <= self.on_from <= self.full_from:
            raise ValueError(
                f"the losses are on from {self.on_from} and in full from {self.full_from} of a training: "
                "give shares from 0 on, the second at least as large as the first"
            )

    def share(self, progress: float) -> float:
        """Return how far the losses are switched on when that share of a training is done, from 0 to 1."""
        if progress >= self.full_from:
            return 1.0
        return max(0.0, (progress - self.on_from) / (self.full_from - self.on_from))

    @in_full_precision
    def __call__(self, matching: Matching, known: Known) -> Mapping[str, Tensor]:
        """Return the losses by name, unweighted, [] each."""
        x, r = (matching.predictions[name].mean() for name in (TRANSLATIONS, ROTATIONS))
        guess = ideal_atoms(x, r)
        truth = ideal_atoms(known.values[TRANSLATIONS], known.values[ROTATIONS])
        present, linked = known.sites.present, bonded_sites(known.sites)
        weight = self._row_weight(matching, known)
        square = (guess - truth).square().sum((-1, -2))
        parts = {
            "atoms": (_row_mean(square, present) * weight).sum(),
            "bonded": (self._bonded(guess, truth, present, linked) * weight).sum(),
        }
        contacts, clashes = self._pairs(guess[..., 1, :], truth[..., 1, :], present)
        parts |= {"contacts": (contacts * weight).sum(), "clashes": (clashes * weight).sum()}
        bonds = find_bonds(truth, known.values[SEQUENCE], linked)
        parts["hydrogen_bonds"] = (_bond_errors(guess, bonds, len(present)) * weight).sum()
        return parts

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights of the losses by name."""
        return {name: getattr(self, name) for name in ("atoms", "bonded", "contacts", "clashes", "hydrogen_bonds")}

    def _row_weight(self, matching: Matching, known: Known) -> Tensor:
        """Return the weight of every row, [B], summing over rows to a mean; 0 where no coordinate is generated."""
        free = known.free(TRANSLATIONS) | known.free(ROTATIONS)
        t = torch.where(known.free(TRANSLATIONS), matching.times[TRANSLATIONS], torch.ones(())).amin(-1)
        is_on = free.any(-1) & (t > self.start)
        return is_on / (1 - t.clamp(max=self.time_clip)) ** 2 / free.any(-1).sum().clamp(min=1)

    @staticmethod
    def _bonded(guess: Tensor, truth: Tensor, present: Tensor, linked: Tensor) -> Tensor:
        # residues of one unbroken piece of a chain have the same number
        piece = torch.nn.functional.pad((~linked).cumsum(-1), (1, 0))
        total = torch.zeros(present.shape[0], device=present.device)
        for k in (1, 2, 3):
            error = _distance(guess[:, k:, :, None], guess[:, :-k, None]) - _distance(
                truth[:, k:, :, None], truth[:, :-k, None]
            )
            are_near = present[:, k:] & present[:, :-k] & (piece[:, k:] == piece[:, :-k])
            total = total + _row_mean(error.square().mean((-1, -2)), are_near)
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


def _bond_errors(guess: Tensor, bonds: Bonds, rows: int) -> Tensor:
    """Return the weighted mean over the bonds of each row of sum over four distances of (d - d_true)^2, [rows]."""
    error = (bond_distances(guess, bonds) - bonds.distances).square().sum(-1)
    importance = torch.where(bonds.is_long_range, LONG_RANGE_WEIGHT, 1.0)
    zero = error.new_zeros(rows)
    return zero.index_add(0, bonds.row, importance * error) / zero.index_add(0, bonds.row, importance).clamp(min=1)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b| with a finite derivative at 0, [*B] (nm)."""
    return ((a - b).square().sum(-1) + 1e-6).sqrt()


def _row_mean(value: Tensor, mask: Tensor) -> Tensor:
    return (value * mask).sum(-1) / mask.sum(-1).clamp(min=1)
