"""Tasks as masks: what is given and what is generated, in training and in sampling."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.product import Known, Product, State
from gm_multimodal.protein.batch import ProteinBatch
from gm_multimodal.protein.factors import ROTATIONS, SEQUENCE, STRUCTURE, TRANSLATIONS, is_late
from gm_multimodal.protein.frames import ANGSTROM_PER_NM
from gm_multimodal.protein.soft_targets import Choice
from gm_multimodal.schedules import inverse
from gm_multimodal.spaces.rotations import rotation_exp

POSITION_ERROR = (0.1 / ANGSTROM_PER_NM, 0.3 / ANGSTROM_PER_NM)
"""nm along each axis."""

TURN_ERROR = (math.radians(3), math.radians(5))
"""rad."""


def place_origin(known: Known) -> Known:
    """Move every row so that the origin is the centroid of its given CA atoms, or of all residues if none is given."""
    present = known.sites.present
    given = known.mask[TRANSLATIONS] & present
    weight = torch.where(given.any(-1, keepdim=True), given, present)[..., None]
    x = known.values[TRANSLATIONS]
    centroid = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
    moved = torch.where(present[..., None], x - centroid, x)
    return replace(known, values={**known.values, TRANSLATIONS: moved})


@final
@dataclass(frozen=True)
class Curriculum:
    """Draws the tasks and times of training, so that sampling meets nothing that training did not show.

    A row is on the sampling curve (one time, every factor on its own clock, with jitter), a folding task, an inverse
    folding task, one whose sequence stays hidden while the structure forms, or has a sequence time independent of the
    structure's. Independently, a random subset of residues and factors is given in some rows.

    Where a batch has soft targets, a row whose sequence is not given takes one of its patterns: the sequence is noised
    as that says, its time is the share of residues revealed, and a row on the curve is where its clock shows that.

    Attributes:
        folding: share of rows whose sequence is given.
        inverse_folding: share of rows whose structure is given.
        hidden: share of rows whose sequence has time exactly 0, where it is not given.
        independent: share of rows with independent times; the rest is on the curve.
        given: share of all rows in which a random subset is given.
        jitter: standard deviation of log gamma, where a factor's sampling time is s^gamma.
        erring: share of the inverse folding rows whose structure errs a little, as one that was designed does.
    """

    folding: float = 0.1
    inverse_folding: float = 0.1
    hidden: float = 0.25
    independent: float = 0.2
    given: float = 0.2
    jitter: float = 0.4
    erring: float = 0.5

    def __post_init__(self) -> None:
        """Refuse shares that are none, or of more than all rows."""
        kinds = ("folding", "inverse_folding", "hidden", "independent")
        for name in (*kinds, "given", "erring"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give a share from 0 to 1")
        if not sum(getattr(self, name) for name in kinds) <= 1 + 1e-9:
            raise ValueError(f"{', '.join(kinds)} are shares of the same rows: give some that add up to 1 at most")

    def draw(self, batch: ProteinBatch, product: Product, noise: Noise) -> tuple[Known, Mapping[str, Tensor]]:
        """Return what is given (with all clean values, origin in place) and the path times [B, N] of every factor."""
        present = batch.sites.present
        rows = present.shape[0]
        folds, folds_inversely, hidden, independent = self._kinds(noise.uniform((rows, 1)))
        mask = {name: torch.zeros_like(present) for name in product}
        subset = random_subset(present, noise) & (noise.uniform((rows, 1)) < self.given)
        for name, takes_part in zip(product, random_factors(rows, len(product), noise), strict=True):
            mask[name] = subset & takes_part
        mask[SEQUENCE] = mask[SEQUENCE] | folds
        for name in STRUCTURE:
            mask[name] = mask[name] | folds_inversely
        s, other = noise.uniform((rows, 1)), noise.uniform((rows, 1))
        gamma = {name: torch.exp(self.jitter * noise.normal((rows, 1))) for name in product}
        errs = folds_inversely & (noise.uniform((rows, 1)) < self.erring)
        values = {**batch.state, **erring_structure(batch.state, errs, noise)}
        choice = None
        if batch.soft is not None:
            is_free = ~(mask[SEQUENCE] & present).any(-1, keepdim=True)
            choice = batch.soft.choose(present, is_free, hidden, noise)
            s = torch.where(choice.exists & ~hidden & ~independent, self._place(choice, product, gamma), s)
        times = {}
        for name, factor in product.items():
            base = torch.where(independent, other, s) if is_late(name) else s
            time = factor.clock(base ** gamma[name]).expand(present.shape)
            times[name] = torch.where(hidden, 0.0, time) if is_late(name) else time
        known = place_origin(Known(values, mask, batch.sites, absent=batch.absent))
        if choice is not None:
            times[SEQUENCE] = torch.where(choice.exists, choice.share, times[SEQUENCE])
            known = replace(known, drawn={SEQUENCE: choice.drawn(batch.state[SEQUENCE])})
        return known, times

    @staticmethod
    def _place(choice: Choice, product: Product, gamma: Mapping[str, Tensor]) -> Tensor:
        """Return the s in [0, 1] at which the jittered clock of the sequence shows the share revealed, [B, 1]."""
        return inverse(product[SEQUENCE].clock, choice.share) ** (1 / gamma[SEQUENCE])

    def _kinds(self, drawn: Tensor) -> list[Tensor]:
        """Return which rows fold, fold inversely, hide the sequence, have independent times, bool [B, 1] each."""
        kinds, begin = [], 0.0
        for share in (self.folding, self.inverse_folding, self.hidden, self.independent):
            kinds.append((drawn >= begin) & (drawn < begin + share))
            begin += share
        return kinds


def erring_structure(state: State, errs: Tensor, noise: Noise) -> dict[str, Tensor]:
    """Move and turn the residues of some rows at random, each row as far as one draw says.

    Args:
        state: translations [B, N, 3] (nm) and rotations [B, N, 3, 3].
        errs: which rows, bool [B, 1].
        noise: stream of draws.

    Returns:
        Both factors; positions moved by `POSITION_ERROR` along each axis and orientations turned by `TURN_ERROR`, root
        mean squares that are uniform between these ends.
    """
    x, r = state[TRANSLATIONS], state[ROTATIONS]
    (near, far), (low, high) = POSITION_ERROR, TURN_ERROR
    moved = (near + (far - near) * noise.uniform((len(x), 1, 1))) * noise.normal(x.shape)
    turned = (low + (high - low) * noise.uniform((len(x), 1, 1))) * noise.normal(x.shape) / 3**0.5
    return {
        TRANSLATIONS: torch.where(errs[..., None], x + moved, x),
        ROTATIONS: torch.where(errs[..., None, None], r @ rotation_exp(turned), r),
    }


def on_curve(
    batch: ProteinBatch, product: Product, s: Tensor, given: tuple[str, ...] = ()
) -> tuple[Known, Mapping[str, Tensor]]:
    """Return the task of validation: everything at sampling time s [B], except the factors that are `given`."""
    present = batch.sites.present
    mask = {name: torch.full_like(present, name in given) for name in product}
    times = {name: factor.clock(s)[:, None].expand(present.shape) for name, factor in product.items()}
    return place_origin(Known(batch.state, mask, batch.sites, absent=batch.absent)), times


def random_subset(present: Tensor, noise: Noise, segments: int = 3) -> Tensor:
    """Draw one to `segments` random segments of each row, together at most about 60 % of its length; bool [B, N]."""
    rows, sites = present.shape
    length = present.sum(-1, keepdim=True)
    position = torch.arange(sites, device=present.device)
    chosen = torch.zeros_like(present)
    for k in range(segments):
        size = 1 + torch.floor(noise.uniform((rows, 1)) * (0.2 * length))
        start = torch.floor(noise.uniform((rows, 1)) * (length - size + 1))
        takes_part = noise.uniform((rows, 1)) < 1 / (k + 1)
        chosen |= (position >= start) & (position < start + size) & takes_part
    return chosen & present


def random_factors(rows: int, factors: int, noise: Noise) -> list[Tensor]:
    """Draw which factors a given subset covers: all of them in half of the rows, a fair coin each in the others."""
    everything = noise.uniform((rows, 1)) < 0.5
    return [everything | (noise.uniform((rows, 1)) < 0.5) for _ in range(factors)]
