"""One training run: trainer, callbacks, what is written, and resuming."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import lightning
from lightning.pytorch.callbacks import (
    Callback,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
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
    """Writes the averaged weights with their provenance after every validation.

    Must stand before the averaging callback, which has put the averaged weights into the module for the validation and
    takes them out again at its end.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path, self.recipe = path, recipe

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint on the first process."""
        assert isinstance(pl_module, DesignModule)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if "validation/" in name}
        reached = {"steps": trainer.global_step, "epochs": trainer.current_epoch, "processes": trainer.world_size}
        provenance = {**self.recipe.provenance, **reached, "losses": losses}
        save_checkpoint(self.path, pl_module.network.state_dict(), self.recipe.config, provenance)


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
        The released checkpoint, `model.safetensors`; `last.ckpt` holds what resuming needs.
    """
    released = out / RELEASED
    callbacks: list[Callback] = [
        ReleaseWriter(released, recipe),
        EMAWeightAveraging(decay=ema_decay),
        LearningRateMonitor("step"),
        TQDMProgressBar(refresh_rate=20),
        ModelCheckpoint(out, filename="last", every_n_train_steps=200, enable_version_counter=False, save_top_k=1),
    ]
    run = lightning.Trainer(
        **trainer,
        callbacks=callbacks,
        logger=CSVLogger(out, name="", version=""),
        default_root_dir=out,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
    )
    last = out / LAST
    run.fit(module, data, ckpt_path=last if last.is_file() else None)
    return released
