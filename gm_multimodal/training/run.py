"""One training run: trainer, callbacks, what is written, and resuming."""

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

from gm_multimodal.training.checkpoints import save_checkpoint
from gm_multimodal.training.data import ChainData
from gm_multimodal.training.module import DesignModule

LAST = "last.ckpt"
RELEASED = "model.safetensors"


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
        self._written_step: int | None = None

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
        provenance = {**self.recipe.provenance, **reached, "losses": losses}
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
        ema_decay: decay per step of the averaged weights.

    Returns:
        The released checkpoint, `model.safetensors`; `last.ckpt` holds what resuming needs, `logs` the losses.
    """
    released = out / RELEASED
    callbacks: list[Callback] = [
        ReleaseWriter(released, recipe),
        EMAWeightAveraging(decay=ema_decay),
        LearningRateMonitor("step"),
        TQDMProgressBar(refresh_rate=20),
        StateWriter(out / LAST, interval=200),
    ]
    run = lightning.Trainer(
        **trainer,
        callbacks=callbacks,
        logger=CSVLogger(out, name="logs"),  # a folder per start: a resumed run must not delete the log before it
        default_root_dir=out,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
    )
    last = out / LAST
    run.fit(module, data, ckpt_path=last if last.is_file() else None)
    return released
