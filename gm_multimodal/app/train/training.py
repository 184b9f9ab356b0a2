"""What all commands that train do: read chains, build the loss around a network, keep the record of the run."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.app.folders import record as records
from gm_multimodal.app.folders.hold import foreign, only_run_in, writing
from gm_multimodal.app.machine.devices import set_threads
from gm_multimodal.app.train.training_options import RunConfig, TrainingConfig
from gm_multimodal.errors import CheckpointError
from gm_multimodal.files import in_the_way, own_folder
from gm_multimodal.product import Factor
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.dataset import NATIVE, SOFT, read_chains
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.build import build
from gm_multimodal.training.checkpoints import read_released
from gm_multimodal.training.run import CURVE, LAST, LOGS, RELEASED, is_first_process

_MAY_DIFFER = (
    "trainer",
    "optimisation",
    "auxiliary",
    "threads",
    "data",
    "max_megabytes",
)  # how long and how to train, not what


def set_training_threads(threads: int | str) -> None:
    """Let every process of a training use that many CPU threads; by default several share the cores between them."""
    if isinstance(threads, int):
        # Lightning divides the cores by the processes unless this says otherwise.
        os.environ["OMP_NUM_THREADS"] = str(threads)
    set_threads(threads)


def read_split(config: TrainingConfig, split: str, data: str | None = None) -> Chains:
    """Return the chains of one split, of `config.data` or of another dataset, that pass the filters.

    Chains of `config.data` have redesigned sequences where those are asked for, because a training is judged by what it
    learns; soft targets are for learning alone.
    """
    return read_chains(
        data or config.data,
        split=split,
        min_length=config.min_length,
        max_length=config.max_length,
        max_gyration_ratio=config.max_gyration_ratio,
        max_coil=config.max_coil,
        sequences=config.sequences if data is None and (split == "train" or config.sequences != SOFT) else NATIVE,
        max_bytes=config.max_megabytes * MEGABYTE,
    )


def build_module(config: TrainingConfig, network: nn.Module, product: Mapping[str, Factor]) -> DesignModule:
    """Return the network under its loss."""
    # What they name was typed, or stands in our own files: `check_typed` saw to that.
    return DesignModule(
        network=network,
        product=product,
        curriculum=build(config.curriculum, CATALOGUE, allow_code=True),
        auxiliary=build(config.auxiliary, CATALOGUE, allow_code=True),
        optimisation=build(config.optimisation, CATALOGUE, allow_code=True),
        self_conditioning=config.self_conditioning,
        seed=config.seed,
    )


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
    may_differ = (*_MAY_DIFFER, *may_differ)
    keep = records.keep_record if is_first_process() else records.check_record
    with held(out):
        with writing(out):
            keep(out, record, key="trainer", kind="training", may_differ=may_differ, outputs=(RELEASED, LAST, CURVE))
            if is_first_process():
                _check_release(out)
                own_folder(out / LOGS)
        yield out


def _check_release(out: Path) -> None:
    """Refuse a folder of ours in which another file has taken the place of the released checkpoint."""
    if in_the_way(out, [RELEASED]):
        try:
            read_released(out / RELEASED)
        except CheckpointError as error:
            raise foreign(out / RELEASED) from error


def provenance_of(config: TrainingConfig, chains: Chains) -> dict[str, Any]:
    """Return what the released checkpoint says of its data and settings."""
    settings = dataclasses.asdict(config)
    filters = ("sequences", "max_gyration_ratio", "max_coil")
    sizes = ("residues_per_batch", "batch_doubles_at", "self_conditioning")
    kept = ("seed", *filters, *sizes, "curriculum", "auxiliary", "optimisation")
    return {"data": Path(config.data).name, **_count(chains), **{name: settings[name] for name in kept}}


def _count(chains: Chains) -> dict[str, Any]:
    return {
        "chains": len(chains),
        "clusters": len(set(chains.clusters.tolist())),
        "length_range": [int(chains.lengths.min()), int(chains.lengths.max())],
    }


def describe(chains: Chains) -> str:
    """Say what a dataset holds."""
    count = _count(chains)
    shortest, longest = count["length_range"]
    return f"{count['chains']} chains ({count['clusters']} clusters) of {shortest} to {longest} residues"


def say(text: str) -> None:
    """Print on one process for all."""
    if is_first_process():
        show(text)


def say_what_next(released: Path) -> None:
    """Name the checkpoint and the command that uses it."""
    say(f"The checkpoint is {released}. To use it: gm-multimodal design checkpoint={released}")
