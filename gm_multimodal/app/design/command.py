"""`gm-multimodal design`: sample proteins block by block into a run folder that can be continued at any time."""

import dataclasses
import time
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gm_multimodal import __version__
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import remark, show
from gm_multimodal.app.design.folder import Row, RunFolder, design_id
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.app.design.table import best_of, mapping_rows, summary, table_row
from gm_multimodal.app.design.task import input_digest, plan, read_task
from gm_multimodal.app.folders.hold import only_run_in, writing
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.errors import UserInputError
from gm_multimodal.product import Product
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.constraints import constrain, residue_bias
from gm_multimodal.protein.design import Design, sample_block, staged
from gm_multimodal.protein.design_tasks import Motif, Task
from gm_multimodal.protein.output import write_structure, write_trajectory
from gm_multimodal.sampling.grids import UniformGrid


@dataclass(frozen=True)
class DesignReport:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        rows: the rows of designs.csv that were asked for, in order.
        computed: how many of them this call computed.
        on_disk: how many designs the folder holds.
        best: folder of the best designs, if some were to be kept.
    """

    folder: Path
    rows: tuple[Row, ...]
    computed: int
    on_disk: int
    best: Path | None


def design(config: DesignConfig) -> DesignReport | None:
    """Make the designs exist and say so; or only say what they would be.

    Args:
        config: what to design and where to.

    Raises:
        UserInputError: As `run`.
        KeyboardInterrupt: As `run`.
    """
    if config.validate:
        show(*plan(config, read_task(config)))
        return None
    report = run(config)
    show(*summary(report.folder, report.rows, report.computed, report.on_disk, report.best))
    return report


def run(config: DesignConfig) -> DesignReport:
    """Make num_designs designs for every input exist in the run folder, computing those that are missing.

    Design i belongs to block i // batch_size; a block is always computed whole, and padded to the longest of its own
    members, so that no design depends on how many are asked for, on the order or on interruptions.

    Args:
        config: what to design and where to.

    Raises:
        UserInputError: The checkpoint, the device or the folder cannot be used, or memory does not suffice.
        KeyboardInterrupt: After Ctrl-C, saying how to continue.
    """
    device, threads = resolve_device(config.device), set_threads(config.threads)
    checkpoint = load_checkpoint(resolve(config.checkpoint), processes=config.process, allow_code=config.allow_code)
    product = _product(config, checkpoint)
    task = read_task(config)
    total = config.number * task.inputs
    _warn_of_length(config, checkpoint, [len(task.blueprint(index)) for index in range(total)])
    folder = RunFolder(Path(config.out), f".{config.format}", config.trajectories)
    with only_run_in(folder.path):
        folder.open(_configuration(config, device, threads), _made_with(checkpoint, task))
        return _complete(folder, total, config, task, checkpoint, product, device)


def _complete(
    folder: RunFolder,
    total: int,
    config: DesignConfig,
    task: Task,
    checkpoint: Checkpoint,
    product: Product,
    device: torch.device,
) -> DesignReport:
    """Make the designs that are missing in a folder that is open, and its tables."""
    rows = folder.done()
    missing = set(range(total)) - set(rows)
    folder.refuse_foreign(sorted(missing))
    network = checkpoint.network.to(device).eval()
    try:
        # Closing ends the progress bar before anything else is printed.
        with closing(_blocks(config, task, network, product, device, missing)) as blocks:
            for designs, seconds in blocks:
                with writing(folder.path):
                    rows |= {item.index: _write(folder, item, config, checkpoint, seconds) for item in designs}
                    _write_tables(folder, rows, task)
    except KeyboardInterrupt:
        done = sum(index in rows for index in range(total))
        raise KeyboardInterrupt(
            f"stopped with {done} of {total} designs in {folder.path}; the same command continues."
        ) from None
    asked = tuple(rows[index] for index in range(total))
    with writing(folder.path):
        _write_tables(folder, rows, task)
        best = None if config.keep_best is None else folder.write_best(best_of(asked, config.keep_best))
    return DesignReport(folder.path, asked, len(missing), len(rows), best)


def _product(config: DesignConfig, checkpoint: Checkpoint) -> Product:
    """Return the factors under the constraints of the run, and one after the other where nothing is given.

    Around a motif they run together: a structure that settles early meets a fixed frame less well (of the CA distances
    where motif and new residues meet, 0.51 were right against 0.68; docs/measurements/tasks.md).
    """
    product = constrain(checkpoint.product, residue_bias(config.omit, config.bias))
    if config.task != "codesign":
        return product
    return staged(product, structure_end=config.structure_end, sequence_start=config.sequence_start)


def _write_tables(folder: RunFolder, rows: Mapping[int, Row], task: Task) -> None:
    folder.write_tables(rows)
    if isinstance(task, Motif):
        folder.write_mapping([row for index in sorted(rows) for row in mapping_rows(index, task.blueprint(index))])


def _configuration(config: DesignConfig, device: torch.device, threads: int) -> dict[str, Any]:
    """Return what decides the bytes of the files; the place of the folder does not."""
    resolved = recorded(dataclasses.replace(config, num_designs=config.number, device=device.type, threads=threads))
    for key in ("out", "validate", "keep_best", "max_megabytes"):
        del resolved[key]
    return resolved


def _made_with(checkpoint: Checkpoint, task: Task) -> dict[str, str]:
    made_with = {"gm_multimodal": __version__, "torch": str(torch.__version__), "checkpoint_digest": checkpoint.digest}
    return made_with | ({"input_digest": input_digest(task)} if task.files else {})


def _warn_of_length(config: DesignConfig, checkpoint: Checkpoint, lengths: Sequence[int]) -> None:
    shortest, longest = checkpoint.length_range
    outside = sorted({length for length in lengths if not shortest <= length <= longest})
    if outside:
        which = f"{outside[0]} lies" if len(outside) == 1 else f"{outside[0]} to {outside[-1]} lie"
        remark(
            "gm-multimodal design: warning",
            f"length {which} outside {shortest}-{longest}, the lengths "
            f"that checkpoint {config.checkpoint} was trained on; look at the designs with care.",
        )


def _blocks(
    config: DesignConfig, task: Task, network: nn.Module, product: Product, device: torch.device, missing: Set[int]
) -> Generator[tuple[list[Design], float], None, None]:
    """Yield, block by block, the designs that are missing and the seconds each took."""
    numbers = sorted({index // config.batch_size for index in missing})
    start_time = config.start_time if config.task == "partial" else 0.0
    with progress_bar("design", len(numbers) * config.steps, "call") as advance:
        for number in numbers:
            start = time.perf_counter()
            indices = range(number * config.batch_size, (number + 1) * config.batch_size)
            blueprints = [task.blueprint(index) for index in indices]
            with _explain_memory(config.batch_size, max(map(len, blueprints))):
                designs = sample_block(
                    network,
                    product,
                    blueprints=blueprints,
                    indices=indices,
                    seed=config.seed,
                    grid=UniformGrid(config.steps, config.last_step, start_time),
                    device=device,
                    ideal_bonds=config.ideal_bonds and start_time < 1,
                    record_trajectory=config.trajectories,
                    progress=lambda: advance(1),
                )
            seconds = (time.perf_counter() - start) / config.batch_size
            yield [item for item in designs if item.index in missing], seconds


def _write(folder: RunFolder, item: Design, config: DesignConfig, checkpoint: Checkpoint, seconds: float) -> Row:
    """Write the files of one design and return its row."""
    blueprint = item.blueprint
    title = f"gm_multimodal {design_id(item.index)}, {len(blueprint)} residues"
    remarks = [
        f"DESIGNED BY GM_MULTIMODAL {__version__}, CHECKPOINT {checkpoint.digest}",
        f"SEED {config.seed}, STEPS {config.steps}, SEQUENCE TEMPERATURE {config.sequence_temperature}",
    ]
    if config.task != "codesign":
        remarks.append(f"TASK {config.task.upper()}, INPUT {blueprint.name}")
    if config.task == "partial":
        remarks.append(f"THE SIMULATION BEGAN WITH THE INPUT NOISED TO TIME {config.start_time}")
    remarks += [f"{key.upper()} {value}" for key, value in _constraints(config).items()]
    if "jump_weight" in config.process["rotations"]:
        remarks.append(f"ORIENTATIONS FLOW AND JUMP, WEIGHT OF THE JUMP {config.process['rotations']['jump_weight']}")
    if item.trajectory is not None:
        path = folder.trajectory(item.index)
        write_trajectory(path, item.trajectory, title=title, remarks=remarks)
    path = folder.structure(item.index)
    write_structure(
        path,
        item.backbone,
        item.confidence,
        title=title,
        remarks=remarks,
        side_chains=blueprint.side_chains,
        given=~item.chosen | np.array([source is not None for source in blueprint.source]),
    )
    return table_row(item, seed=config.seed, file=path.name, seconds=seconds)


def _constraints(config: DesignConfig) -> dict[str, str]:
    options = {"contig": config.contig, "fix": config.fix, "omit": config.omit, "bias": config.bias}
    return {key: value for key, value in options.items() if value is not None}


@contextmanager
def _explain_memory(batch_size: int, length: int) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_allocation = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "tried to allocate" in str(error)
        if not is_allocation:
            raise
        smaller = f"batch_size={batch_size // 2}" if batch_size > 1 else "something shorter"
        raise UserInputError(
            f"memory does not suffice for {batch_size} designs of {length} residues at once: "
            f"give {smaller} and, as that is another run, another out=FOLDER."
        ) from error
