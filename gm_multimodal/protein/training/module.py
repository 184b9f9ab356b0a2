"""The training step over chains, and what is validated."""

import dataclasses
from typing import Any, final

import torch
from torch import Tensor

from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import Matching
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import ProteinBatch
from gm_multimodal.protein.conditions import random_conditions
from gm_multimodal.protein.factors import SEQUENCE, STRUCTURE
from gm_multimodal.protein.tasks import on_curve
from gm_multimodal.training.module import VALIDATION_TIMES, MatchingModule, Means

HIDDEN_TIMES = (0.5, 0.7, 0.9)
"""Times of the structure at which it is validated with a hidden sequence, as staged sampling has it."""

LOADERS = ("validation", "fitted")
"""What the losses of each loader of a validation are called by: held-out chains, and some that are trained on."""


@final
class DesignModule(MatchingModule):
    """A network over residues, validated on chains."""

    def training_step(self, batch: Any, number: int) -> Tensor:
        """Return the loss of one batch, the network being told a random part of what it takes as conditions."""
        takes = getattr(self.network, "conditions", ())
        if not takes:
            return super().training_step(batch, number)
        assert isinstance(batch, ProteinBatch)
        # A stream of its own: the draws of the losses are the same whatever the network takes.
        noise = self.noise(self.global_step, -3 - self.share.place(number % self.share.accumulated))
        taken = {name: states for name, states in random_conditions(batch, noise).items() if name in takes}
        return super().training_step(dataclasses.replace(batch, sites=batch.sites.knowing(taken)), number)

    def validation_step(self, batch: Any, number: int, dataloader_idx: int = 0) -> None:
        """Log losses on a fixed grid of times, with the same draws each time, of held-out chains and of others.

        The loss of every factor on the sampling curve; of the structure and the auxiliary ones while the sequence is
        hidden; of inverse folding in one call.
        """
        assert isinstance(batch, ProteinBatch)
        rows, number = len(batch.sites.present), self.share.place(number)
        curve = Means()
        for k, s in enumerate(VALIDATION_TIMES):
            curve.add(self._matched(batch, s, self.noise(number, k), feeds_back=True)[0].parts)
        hidden = Means()
        for k, s in enumerate(HIDDEN_TIMES):
            noise = self.noise(number, len(VALIDATION_TIMES) + k)
            matching, known = self._matched(batch, s, noise, hidden=True, feeds_back=True)
            hidden.add(matching.parts)
            hidden.add(self.auxiliary(matching, known) if self.auxiliary else {})
        inverse, _ = self._matched(batch, 0.0, self.noise(number, -2), given=STRUCTURE, feeds_back=False)
        means = curve.values()
        losses = {**means, **{f"hidden_{name}": mean for name, mean in hidden.values().items()}}
        losses["inverse_folding"] = inverse.parts[SEQUENCE]
        losses["loss"] = torch.stack([self.product[name].weight * mean for name, mean in means.items()]).sum()
        source = LOADERS[dataloader_idx]
        logged = {f"{source}/{name}": loss for name, loss in losses.items()}
        self.log_dict(logged, batch_size=rows, sync_dist=True, add_dataloader_idx=False)

    def _matched(
        self,
        batch: ProteinBatch,
        s: float,
        noise: SharedNoise,
        *,
        given: tuple[str, ...] = (),
        hidden: bool = False,
        feeds_back: bool,
    ) -> tuple[Matching, Known]:
        """Return the joint loss of a task of validation at sampling time s, and what was given."""
        start = torch.full((len(batch.sites.present),), s, device=self.device)
        known, times = on_curve(batch, self.product, start, given)
        if hidden:
            times = {**times, SEQUENCE: torch.zeros_like(times[SEQUENCE])}
        return self.match(known, times, noise, feeds_back), known
