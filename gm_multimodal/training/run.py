"""One training run: trainer, callbacks and resuming."""

import difflib
import inspect
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from gm_multimodal.errors import UserInputError
from gm_multimodal.training.callbacks import AveragedWeights, BestValidation, Recipe, ReleaseWriter, StateWriter
from gm_multimodal.training.curve import CurveWriter
from gm_multimodal.training.data import BatchData
from gm_multimodal.training.module import MatchingModule
from gm_multimodal.training.precision import BFLOAT16, BFloat16

CURVE = "curve.csv"
LAST = "last.ckpt"
RELEASED = "model.safetensors"
LOGS = "logs"


# Processes share batches by our sampler; validation is counted in steps, and the first one is soon enough.
_SETTLED: Mapping[str, Any] = {
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_model_summary": False,
}


def fit(
    module: MatchingModule,
    data: BatchData,
    recipe: Recipe,
    out: Path,
    trainer: Mapping[str, Any],
    ema_decay: float,
    patience: int | None = None,
) -> Path:
    """Train, continuing from `last.ckpt` where the folder holds one.

    Args:
        module: network and loss.
        data: batches.
        recipe: what the released checkpoint says.
        out: folder of the run.
        trainer: arguments of `lightning.Trainer`.
        ema_decay: largest share of the averaged weights that a step keeps; less early in a run.
        patience: None releases the weights of the last step. A number releases those of the best validation, stops
            after that many without a better one, and measures the held-out losses before the first step too. Without
            validation data it has no effect.

    Returns:
        The released checkpoint, `model.safetensors`; `last.ckpt` holds what resuming needs, `curve.csv` the losses
        of every validation, `logs` those of the steps.

    Raises:
        UserInputError: an argument that the trainer does not have, or that is set here.
        KeyboardInterrupt: after Ctrl-C, saying how to continue.
    """
    _check_arguments(trainer)
    released, last = out / RELEASED, out / LAST
    validation_interval = int(trainer["val_check_interval"])
    averaged = AveragedWeights(ema_decay)
    best = BestValidation(patience) if patience is not None and data.has_validation else None
    release = ReleaseWriter(released, recipe, averaged, best)
    callbacks: list[Callback] = [
        averaged,
        *([best] if best else []),
        release,
        CurveWriter(out / CURVE, release.seen),
        LearningRateMonitor("step"),
        *([TQDMProgressBar(refresh_rate=20)] if trainer.get("enable_progress_bar", True) else []),
        StateWriter(last, interval=min(200, validation_interval), validation_interval=validation_interval),
    ]
    run = lightning.Trainer(
        **_as_lightning_reads(trainer, has_validation=data.has_validation),
        **_SETTLED,
        callbacks=callbacks,
        logger=CSVLogger(out, name=LOGS, version=_next_version(out / LOGS)),
        default_root_dir=out,
    )
    if best is not None and not last.is_file():
        best.before = dict(run.validate(module, data, verbose=False)[0])
    with _interruptible(run, last):
        if last.is_file():
            _continue(run, module, data, last)
        else:
            run.fit(module, data)
    return released


def _continue(run: lightning.Trainer, module: MatchingModule, data: BatchData, last: Path) -> None:
    """Train from the state in a file, which is data: tensors and plain values, and nothing that runs.

    Raises:
        UserInputError: the state cannot be read, or is not of this training.
    """
    started = _Started()
    run.callbacks.append(started)  # type: ignore[attr-defined]
    try:
        _check_unpacked(last)
        run.fit(module, data, ckpt_path=last, weights_only=True)
    except Exception as error:
        if started.is_set or isinstance(error, UserInputError):
            raise
        # What torch says of an unpickler that refuses says how to run the file.
        refuses = isinstance(error, pickle.UnpicklingError)
        said = "more than tensors and plain values" if refuses else str(error).strip() or type(error).__name__
        raise UserInputError(
            f"{last} cannot be resumed from ({said.splitlines()[0]}): it is damaged, or was not written by this "
            "training. Move it away to train from the beginning."
        ) from error


def _check_unpacked(last: Path) -> None:
    """Refuse a state that is larger unpacked than on the disk: torch packs nothing, but reads what is packed."""
    with zipfile.ZipFile(last) as archive:
        unpacked = sum(item.file_size for item in archive.infolist())
    if unpacked > last.stat().st_size:
        raise UserInputError(f"{last} cannot be resumed from: it would unpack to {unpacked} bytes. Move it away.")


class _Started(Callback):
    """Whether the trainer came past the state that it was given."""

    is_set = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note it."""
        self.is_set = True


@contextmanager
def _interruptible(run: lightning.Trainer, last: Path) -> Iterator[None]:
    """Turn how Lightning answers Ctrl-C, leaving with code 1, into our own answer."""
    try:
        yield
    except SystemExit:
        if not run.interrupted:
            raise
        kept = "the same command continues" if last.is_file() else "nothing was kept yet"
        raise KeyboardInterrupt(f"stopped after {run.global_step} steps in {last.parent}; {kept}.") from None


def _next_version(logs: Path) -> int:
    """Return the number of a folder of logs that is not there: a resumed run must not delete the log before it.

    Lightning would count folders alone, and write through a link to one.
    """
    names = [file.name for file in logs.iterdir()] if logs.is_dir() else []
    return 1 + max((int(match[1]) for name in names if (match := re.match(r"version_([0-9]+)", name))), default=-1)


def is_first_process() -> bool:
    """Return whether this is the process that speaks for all processes of a training."""
    return getattr(rank_zero_only, "rank", 0) in (None, 0)


def _as_lightning_reads(trainer: Mapping[str, Any], has_validation: bool) -> dict[str, Any]:
    """Return the trainer's arguments as it reads them: it counts validations in batches, we in steps."""
    arguments = dict(trainer)
    if arguments.get("precision") == BFLOAT16 and arguments.get("strategy", "auto") in ("auto", "ddp"):
        del arguments["precision"]
        arguments["plugins"] = [*(arguments.get("plugins") or []), BFloat16()]
    arguments["val_check_interval"] *= arguments.get("accumulate_grad_batches", 1)
    if not has_validation:
        arguments["limit_val_batches"] = 0
    return arguments


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
    for name, default in {"val_check_interval": None, "accumulate_grad_batches": 1}.items():
        value = trainer.get(name, default)
        if not isinstance(value, int) or value < 1:
            raise UserInputError(f"trainer.{name}={value}: give a whole number from 1 on.")
