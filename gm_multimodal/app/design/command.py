"""`gm-multimodal design`: sample proteins block by block into a run folder that can be continued at any time."""

import time
from collections.abc import Generator, Iterator, Mapping, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import remark, show
from gm_multimodal.app.design.folder import Row, RunFolder, design_id
from gm_multimodal.app.design.inputs import plan, read_task
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.app.design.resolution import ResolvedRun, resolved_run
from gm_multimodal.app.design.table import best_of, mapping_rows, summary, table_row
from gm_multimodal.app.folders.hold import only_run_in, writing
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.chain_names import one_letter_names, renamed
from gm_multimodal.protein.design import Design, sample_block
from gm_multimodal.protein.output import write_structure, write_trajectory


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
    run = resolved_run(config)
    _warn_of_length(run)
    folder = RunFolder(Path(config.out), f".{config.format}", config.trajectories)
    with only_run_in(folder.path):
        folder.open(run.record(), run.made_with())
        return _complete(folder, run)


def _complete(folder: RunFolder, run: ResolvedRun) -> DesignReport:
    """Make the designs that are missing in a folder that is open, and its tables."""
    rows = folder.done()
    missing = set(range(run.total)) - set(rows)
    folder.refuse_foreign(sorted(missing))
    try:
        # Closing ends the progress bar before anything else is printed.
        with closing(_blocks(run, missing)) as blocks:
            for designs, seconds in blocks:
                with writing(folder.path):
                    rows |= {item.index: _write(folder, item, run, seconds) for item in designs}
                    _write_tables(folder, rows, run)
    except KeyboardInterrupt:
        done = sum(index in rows for index in range(run.total))
        raise KeyboardInterrupt(
            f"stopped with {done} of {run.total} designs in {folder.path}; the same command continues."
        ) from None
    asked = tuple(rows[index] for index in range(run.total))
    keep = run.config.keep_best
    with writing(folder.path):
        _write_tables(folder, rows, run)
        best = None if keep is None else folder.write_best(best_of(asked, keep))
    return DesignReport(folder.path, asked, len(missing), len(rows), best)


def _write_tables(folder: RunFolder, rows: Mapping[int, Row], run: ResolvedRun) -> None:
    folder.write_tables(rows)
    if run.has_mapping:
        blueprints = ((index, run.task.blueprint(index)) for index in sorted(rows))
        found = (mapping_rows(index, blueprint, run.chain_names(blueprint)) for index, blueprint in blueprints)
        folder.write_mapping([row for some in found for row in some])


def _warn_of_length(run: ResolvedRun) -> None:
    shortest, longest = run.checkpoint.length_range
    lengths = {len(run.task.blueprint(index)) for index in range(run.total)}
    outside = sorted(length for length in lengths if not shortest <= length <= longest)
    if outside:
        which = f"{outside[0]} lies" if len(outside) == 1 else f"{outside[0]} to {outside[-1]} lie"
        remark(
            "gm-multimodal design: warning",
            f"length {which} outside {shortest}-{longest}, the lengths "
            f"that checkpoint {run.config.checkpoint} was trained on; look at the designs with care.",
        )


def _blocks(run: ResolvedRun, missing: Set[int]) -> Generator[tuple[list[Design], float], None, None]:
    """Yield, block by block, the designs that are missing and the seconds each took."""
    config, size = run.config, run.config.batch_size
    numbers = sorted({index // size for index in missing})
    network = run.checkpoint.network.to(run.device).eval()
    with progress_bar("design", len(numbers) * config.steps, "call") as advance:
        for number in numbers:
            start = time.perf_counter()
            indices = range(number * size, (number + 1) * size)
            blueprints = [run.task.blueprint(index) for index in indices]
            with _explain_memory(size, max(map(len, blueprints))):
                designs = sample_block(
                    network,
                    run.product,
                    blueprints=blueprints,
                    indices=indices,
                    seed=config.seed,
                    grid=run.grid,
                    device=run.device,
                    ideal_bonds=config.ideal_bonds and run.start_time < 1,
                    record_trajectory=config.trajectories,
                    progress=lambda: advance(1),
                )
            seconds = (time.perf_counter() - start) / size
            yield [item for item in designs if item.index in missing], seconds


def _write(folder: RunFolder, item: Design, run: ResolvedRun, seconds: float) -> Row:
    """Write the files of one design and return its row."""
    blueprint = item.blueprint
    title = f"gm_multimodal {design_id(item.index)}, {len(blueprint)} residues"
    remarks = run.remarks(blueprint)
    if item.trajectory is not None:
        path = folder.trajectory(item.index)
        names = one_letter_names(blueprint.backbone.names)
        steps = [renamed(step, names) for step in item.trajectory]
        write_trajectory(path, steps, title=title, remarks=remarks)
    path = folder.structure(item.index)
    write_structure(
        path,
        renamed(item.backbone, run.chain_names(blueprint)),
        item.confidence,
        title=title,
        remarks=remarks,
        side_chains=item.side_chains(),
        given=~item.chosen | np.array([source is not None for source in blueprint.source]),
    )
    return table_row(item, seed=run.config.seed, file=path.name, seconds=seconds)


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
            f"out of memory for {batch_size} designs of {length} residues at once: "
            f"give {smaller} and, as that is another run, another out=FOLDER."
        ) from error
