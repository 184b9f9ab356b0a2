"""What happens beside the steps of a training: averaged weights, what is released, when to stop, what resuming needs.

The trainer calls them in the order in which they stand here: the averaged weights of a step are there before they are
written, and what resuming needs is written last, when a validation has been taken account of.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gm_multimodal.files import move_into_place, temporary_path
from gm_multimodal.training.checkpoints import save_checkpoint
from gm_multimodal.training.data import ResumableLoader
from gm_multimodal.training.module import HELD_OUT_LOSS, MatchingModule

Weights = tuple[torch.Tensor, ...] | list[torch.Tensor]

Losses = Mapping[str, float]
"""Names of what validation logs -> values."""


@final
@dataclass(frozen=True)
class Recipe:
    """What the released checkpoint must say of itself.

    Attributes:
        config: complete configuration, nodes `network` and `product`.
        provenance: what is known before training: data, filters, length_range, seed.
    """

    config: Mapping[str, Any]
    provenance: Mapping[str, Any]


@final
class AveragedWeights(WeightAveraging):
    """A moving average of the weights, which stands in for them in validation and when all is done.

    A step keeps the share min(decay, (1 + n) / (10 + n)) of the average of n steps: it looks back over about a tenth of
    the training so far (Karras et al. 2024, arXiv 2312.02696, power function averages), but not over more than
    1 / (1 - decay) steps. Weights that stay the same have themselves as average, bit by bit: lerp, unlike a weighted
    sum, does not round them.

    Args:
        decay: largest share of the average that a step keeps.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Weights, current: Weights, count: torch.Tensor | int) -> None:
            get_ema_multi_avg_fn(min(decay, (1 + float(count)) / (10 + float(count))))(averaged, current, count)

        super().__init__(multi_avg_fn=average)

    def network(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights of the network, by name; during a validation the module has them."""
        assert self._average_model is not None
        module = self._average_model.module
        assert isinstance(module, MatchingModule)
        return module.network.state_dict()


@final
class BestValidation(Callback):
    """Follows the held-out loss: whether the last validation was the best so far, and when to wait no longer.

    Args:
        patience: validations without a better one after which the training stops.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.before: Losses = {}
        self.best, self.waited = math.inf, 0

    @property
    def improved(self) -> bool:
        """Whether the last validation was the best so far."""
        return self.waited == 0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Do nothing in a training that has stopped already."""
        trainer.should_stop = self.waited >= self.patience

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Have the last step validated: a trainer that is to stop does that."""
        trainer.should_stop |= trainer.global_step == trainer.max_steps

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare; the losses are means over all processes, so that all come to the same end."""
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        loss = float(trainer.callback_metrics[HELD_OUT_LOSS])
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(loss, self.best)
        trainer.should_stop |= self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training goes on from."""
        return {"before": dict(self.before), "best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the comparison of the training that is resumed."""
        self.before, self.best, self.waited = (state_dict[name] for name in ("before", "best", "waited"))


@final
class ReleaseWriter(Callback):
    """Writes the averaged weights with their provenance after a validation and at the end.

    Args:
        path: the released checkpoint.
        recipe: what it says of itself.
        averaged: the weights.
        best: release only what this one finds better than all before; None releases the last weights.
    """

    def __init__(self, path: Path, recipe: Recipe, averaged: AveragedWeights, best: BestValidation | None) -> None:
        self.path, self.recipe, self.averaged, self.best = path, recipe, averaged, best
        self.seen = {"epochs": 0}
        self.losses: Losses = {}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count what was trained on; the other processes are taken to see as much as this one."""
        loader = trainer.train_dataloader
        assert isinstance(loader, ResumableLoader)
        self.seen["epochs"] = loader.epochs.number
        for name, count in batch.counted().items():
            self.seen[name] = self.seen.get(name, 0) + trainer.world_size * count

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint of a validation during the training."""
        if trainer.state.fn is TrainerFn.FITTING:
            metrics = trainer.callback_metrics  # on all processes, because it gathers from all
            self.losses = {name: float(value) for name, value in metrics.items() if "validation/" in name}
            if self.best is None or self.best.improved:
                self._write(trainer)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint of the last step; where the best is wanted, only if nothing was ever validated."""
        if self.best is None or not self.losses:
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training goes on from."""
        return {**self.seen, "losses": dict(self.losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the counts of the training that is resumed, which may be of a version that kept fewer."""
        self.seen |= {name: count for name, count in state_dict.items() if name != "losses"}
        self.losses = state_dict.get("losses", {})

    def _write(self, trainer: lightning.Trainer) -> None:
        if not trainer.is_global_zero:
            return
        reached = {"steps": trainer.global_step, "processes": trainer.world_size}
        before = {"losses_before": dict(self.best.before)} if self.best else {}
        losses = {**before, "losses": dict(self.losses)}
        provenance = {**self.recipe.provenance, **reached, **self.seen, **losses}
        save_checkpoint(self.path, self.averaged.network(), self.recipe.config, provenance)


@final
class StateWriter(Checkpoint):
    """Writes what resuming needs, every `interval` steps and at the last one: always at the end of a whole step.

    The trainer calls it after all other callbacks. Where a validation follows the step, it is written after that.

    Args:
        path: the file; it is complete at any time, whenever the process is killed.
        interval: steps between two states.
        validation_interval: steps between two validations.
    """

    def __init__(self, path: Path, interval: int, validation_interval: int) -> None:
        self.path, self.interval, self.validation_interval = path, interval, validation_interval
        self._stops = False

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the state on the steps that are due; all processes take part."""
        is_whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        # A training that is to stop within a step ends that step: half of a gradient cannot be taken up again.
        self._stops |= trainer.should_stop
        trainer.should_stop = self._stops and is_whole
        follows = trainer.should_stop or trainer.global_step % self.validation_interval == 0
        if is_whole and not (follows and trainer.enable_validation):
            self._write(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the state of a step that was validated."""
        if trainer.state.fn is TrainerFn.FITTING:
            self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        step = trainer.global_step
        if trainer.should_stop or step == trainer.max_steps or step % self.interval == 0:
            # Lightning moves a file from the temporary folder, which may lie on another disk: no atomic step.
            partial = trainer.strategy.broadcast(temporary_path(self.path))
            trainer.save_checkpoint(partial, weights_only=False)
            if trainer.is_global_zero:
                move_into_place(partial, self.path)
