"""The curve of a training: what every validation found, by processor time and by what was seen."""

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn

from gm_multimodal.files import write_atomically


@final
class CurveWriter(Callback):
    """Writes one row for each validation, in one file however often the training is resumed.

    Args:
        path: the file, `.csv`: step, cpu_hours (processor time of the first process), what was seen, and the losses.
        seen: counts of what was trained on, kept up to date by their owner.
    """

    def __init__(self, path: Path, seen: Mapping[str, int]) -> None:
        self.path, self.seen = path, seen
        self.rows: list[dict[str, float]] = []
        self._before, self._start = 0.0, time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of this process and of those that it continues."""
        return self._before + time.process_time() - self._start

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin to count."""
        self._start = time.process_time()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add a row, and write the file."""
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if "/" in name}
        counted = {"step": trainer.global_step, "cpu_hours": round(self.cpu_seconds / 3600, 4), **self.seen}
        self.rows.append({**counted, **{name: round(losses[name], 5) for name in sorted(losses)}})
        if trainer.is_global_zero:
            write_atomically(self.path, _table(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training goes on from: rows after the last state are made again."""
        return {"rows": list(self.rows), "cpu_seconds": self.cpu_seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the curve of the training that is resumed."""
        self.rows, self._before = state_dict["rows"], state_dict["cpu_seconds"]


def _table(rows: list[dict[str, float]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
