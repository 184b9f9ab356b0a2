"""One training run: trainer, callbacks, what is written, and resuming."""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import lightning
from lightning.pytorch.callbacks import (
    Callback,
    Checkpoint,
    EMAWeightAveraging,
    LearningRateMonitor,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import CSVLogger

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.batch import ProteinBatch
from gm_multimodal.training.checkpoints import save_checkpoint
from gm_multimodal.training.data import ChainData
from gm_multimodal.training.module import DesignModule

LAST = "last.ckpt"
RELEASED = "model.safetensors"


# Processes share batches by our sampler; validation is counted in steps, and the first one is soon enough.
_SETTLED: Mapping[str, Any] = {
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_model_summary": False,
}


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
class ReleaseWriter(Callback):
    """Writes the averaged weights with their provenance after every validation and at the end.

    Must stand before the averaging callback, which has put the averaged weights into the module for the validation and
    takes them out again at its end. At the end of the training it leaves them in the module.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path, self.recipe = path, recipe
        self.seen = {"chains_seen": 0, "residues_seen": 0}
        self._written_step: int | None = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count what was trained on; the other processes are taken to see as much as this one."""
        assert isinstance(batch, ProteinBatch)
        present = batch.context.present
        self.seen["chains_seen"] += trainer.world_size * len(present)
        self.seen["residues_seen"] += trainer.world_size * int(present.sum())

    def state_dict(self) -> dict[str, int]:
        """Return the counts, which a resumed training goes on from."""
        return dict(self.seen)

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take up the counts of the training that is resumed."""
        self.seen = dict(state_dict)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint on the first process."""
        self._write(trainer, pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint of the last step, unless that step was validated."""
        self._write(trainer, pl_module)

    def _write(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, DesignModule)
        if self._written_step == trainer.global_step or not trainer.is_global_zero:
            return
        self._written_step = trainer.global_step
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if "validation/" in name}
        reached = {"steps": trainer.global_step, "epochs": trainer.current_epoch, "processes": trainer.world_size}
        provenance = {**self.recipe.provenance, **reached, **self.seen, "losses": losses}
        save_checkpoint(self.path, pl_module.network.state_dict(), self.recipe.config, provenance)


@final
class StateWriter(Checkpoint):
    """Writes what resuming needs, every `interval` steps and at the last one.

    The trainer calls it after all other callbacks, so that the averaged weights are those of the same step.
    """

    def __init__(self, path: Path, interval: int) -> None:
        self.path, self.interval = path, interval
        self._written_step: int | None = None

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Write the state on the steps that are due; all processes take part."""
        step = trainer.global_step
        is_last = trainer.should_stop or step == trainer.max_steps
        if step != self._written_step and (is_last or step % self.interval == 0):
            trainer.save_checkpoint(self.path)
            self._written_step = step


def fit(
    module: DesignModule, data: ChainData, recipe: Recipe, out: Path, trainer: Mapping[str, Any], ema_decay: float
) -> Path:
    """Train, continuing from `last.ckpt` where the folder holds one.

    Args:
        module: network and loss.
        data: batches.
        recipe: what the released checkpoint says.
        out: folder of the run.
        trainer: arguments of `lightning.Trainer`.
        ema_decay: decay per step of the averaged weights, less in short runs.

    Returns:
        The released checkpoint, `model.safetensors`; `last.ckpt` holds what resuming needs, `logs` the losses.

    Raises:
        UserInputError: an argument that the trainer does not have, or that is set here.
    """
    _check_arguments(trainer)
    released = out / RELEASED
    # The average leaves out the warm-up, and of a short run looks back over a tenth at most.
    steps = int(trainer["max_steps"])
    start = min(module.optimisation.warmup_steps, steps // 10)
    callbacks: list[Callback] = [
        ReleaseWriter(released, recipe),
        EMAWeightAveraging(decay=min(ema_decay, max(0.0, 1 - 10 / steps)), update_starting_at_step=start),
        LearningRateMonitor("step"),
        TQDMProgressBar(refresh_rate=20),
        StateWriter(out / LAST, interval=200),
    ]
    run = lightning.Trainer(
        **trainer,
        **_SETTLED,
        callbacks=callbacks,
        logger=CSVLogger(out, name="logs"),  # a folder per start: a resumed run must not delete the log before it
        default_root_dir=out,
    )
    last = out / LAST
    run.fit(module, data, ckpt_path=last if last.is_file() else None)
    return released


def _check_arguments(trainer: Mapping[str, Any]) -> None:
    ours = {*_SETTLED, "callbacks", "logger", "default_root_dir"}
    known = [name for name in inspect.signature(lightning.Trainer).parameters if name not in ours]
    for name in trainer:
        if name in ours:
            raise UserInputError(f"trainer.{name} is set by the training itself: leave it out.")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean trainer.{near[0]}?" if near else f"it has {', '.join(known)}."
            raise UserInputError(f"lightning.Trainer has no argument {name}: {hint}")
    if trainer.get("max_steps", -1) < 1:
        raise UserInputError(
            f"trainer.max_steps={trainer.get('max_steps')}: the learning rate falls towards the last step, "
            "so give the number of steps (trainer.max_time may stop earlier)."
        )
