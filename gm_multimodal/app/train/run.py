"""What every training does, whatever it learns: hold its folder, keep its record, and speak with one voice."""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.app.folders.hold import foreign, only_run_in, writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.app.machine.devices import set_threads
from gm_multimodal.app.train.training_options import RunConfig
from gm_multimodal.errors import CheckpointError
from gm_multimodal.files import in_the_way, own_folder
from gm_multimodal.training.catalogue import foreign_names
from gm_multimodal.training.checkpoints import read_released
from gm_multimodal.training.run import CURVE, LAST, LOGS, RELEASED, is_first_process

_OUTPUTS = (RELEASED, LAST, CURVE)
_RECORD = RunRecord(
    "a training",
    "trainer",
    "|".join(map(re.escape, _OUTPUTS)),
    refused=_OUTPUTS,
    # how long and how to train, not what
    may_differ=("trainer", "optimisation", "auxiliary", "threads", "data", "max_megabytes"),
)


def set_training_threads(threads: int | str) -> None:
    """Let every process of a training use that many CPU threads; by default several share the cores between them."""
    if isinstance(threads, int):
        # Lightning divides the cores by the processes unless this says otherwise.
        os.environ["OMP_NUM_THREADS"] = str(threads)
    set_threads(threads)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a folder; of the processes of one training the first does so for all.

    Raises:
        UserInputError: As `only_run_in`.
    """
    if is_first_process():
        with only_run_in(out):
            yield
    else:
        yield


@contextmanager
def training_folder(config: RunConfig, *may_differ: str, **more: str) -> Iterator[Path]:
    """Hold the folder of a run and write its config.yaml, refusing to continue another training.

    Enter it when everything else is known to work: a command that could not start must not stand in the way of the
    mended one.

    Args:
        config: the run.
        may_differ: keys that a continued run may change, beside those of the length and manner of training.
        more: what else a continued run must have in common with this one.

    Raises:
        UserInputError: It is another training's, another run holds it, or a file stands in the way.
    """
    out, record = Path(config.out), recorded(config) | more
    del record["out"]
    kind = dataclasses.replace(_RECORD, may_differ=(*_RECORD.may_differ, *may_differ))
    with held(out):
        if is_first_process():
            kind.keep(out, record)
            with writing(out):
                _check_release(out)
                own_folder(out / LOGS)
        else:
            kind.check(out, record)
        yield out


def _check_release(out: Path) -> None:
    """Refuse a folder in which another file has taken the place of the released checkpoint."""
    if in_the_way(out, [RELEASED]):
        try:
            read_released(out / RELEASED)
        except CheckpointError as error:
            raise foreign(out / RELEASED) from error


def say(text: str) -> None:
    """Print on one process for all."""
    if is_first_process():
        show(text)


def say_what_next(released: Path, config: Mapping[str, Any], command: str) -> None:
    """Name the checkpoint, of this configuration, and the command that uses it."""
    more = " allow_code=true" if any(foreign_names(config)) else ""
    say(f"The checkpoint is {released}. To use it: gm-multimodal {command} checkpoint={released}{more}")
