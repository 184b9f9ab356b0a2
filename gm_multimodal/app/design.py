"""`gm-multimodal design`: sample proteins block by block into a run folder that can be continued at any time."""

import dataclasses
import sys
import time
from collections.abc import Generator, Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gm_multimodal import __version__
from gm_multimodal.app.design_table import summary, table_row
from gm_multimodal.app.devices import resolve_device, set_threads
from gm_multimodal.app.run_folder import Row, RunFolder, design_id, writing
from gm_multimodal.app.schemas.design import DesignConfig
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.design import Design, sample_block
from gm_multimodal.protein.output import write_structure, write_trajectory
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.training.checkpoints import Checkpoint, load_checkpoint, resolve


@dataclass(frozen=True)
class DesignReport:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        rows: the rows of designs.csv that were asked for, in order.
        computed: how many of them this call computed.
    """

    folder: Path
    rows: tuple[Row, ...]
    computed: int


def design(config: DesignConfig) -> DesignReport:
    """Make designs 0 to num_designs - 1 exist in the run folder, computing those that are missing.

    Design i belongs to block i // batch_size; a block is always computed whole, so that no design depends on how many
    are asked for, on the order or on interruptions.

    Args:
        config: what to design and where to.

    Raises:
        UserInputError: The checkpoint, the device or the folder cannot be used, or memory does not suffice.
        KeyboardInterrupt: After Ctrl-C, saying how to continue.
    """
    device, threads = resolve_device(config.device), set_threads(config.threads)
    checkpoint = load_checkpoint(resolve(config.checkpoint), processes=config.process)
    _warn_of_length(config, checkpoint)
    folder = RunFolder(Path(config.out), f".{config.format}", config.trajectories)
    folder.open(_configuration(config, device, threads), _made_with(checkpoint))
    rows = folder.done()
    missing = set(range(config.num_designs)) - set(rows)
    try:
        # Closing ends the progress bar before anything else is printed.
        with _explain_memory(config), closing(_blocks(config, checkpoint, device, missing)) as blocks:
            for designs, seconds in blocks:
                with writing(folder.path):
                    rows |= {item.index: _write(folder, item, config, checkpoint, seconds) for item in designs}
                    folder.write_tables(rows)
    except KeyboardInterrupt:
        done = sum(index in rows for index in range(config.num_designs))
        raise KeyboardInterrupt(
            f"stopped with {done} of {config.num_designs} designs in {folder.path}; the same command continues."
        ) from None
    with writing(folder.path):
        folder.write_tables(rows)
    report = DesignReport(folder.path, tuple(rows[index] for index in range(config.num_designs)), len(missing))
    print(summary(report.folder, report.rows, report.computed, on_disk=len(rows)))
    return report


def _configuration(config: DesignConfig, device: torch.device, threads: int) -> dict[str, Any]:
    """Return what decides the bytes of the files; the place of the folder does not."""
    resolved = dataclasses.asdict(dataclasses.replace(config, device=device.type, threads=threads))
    del resolved["out"]
    return resolved


def _made_with(checkpoint: Checkpoint) -> dict[str, str]:
    return {"gm_multimodal": __version__, "torch": str(torch.__version__), "checkpoint_digest": checkpoint.digest}


def _warn_of_length(config: DesignConfig, checkpoint: Checkpoint) -> None:
    shortest, longest = checkpoint.length_range
    if not shortest <= config.length <= longest:
        print(
            f"gm-multimodal design: warning: length {config.length} lies outside {shortest}-{longest}, the lengths "
            f"that checkpoint {config.checkpoint} was trained on; look at the designs with care.",
            file=sys.stderr,
        )


def _blocks(
    config: DesignConfig, checkpoint: Checkpoint, device: torch.device, missing: Set[int]
) -> Generator[tuple[list[Design], float], None, None]:
    """Yield, block by block, the designs that are missing and the seconds each took."""
    numbers = sorted({index // config.batch_size for index in missing})
    network = checkpoint.network.to(device).eval()
    # A log file gets a line now and then, a terminal a lively bar.
    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(
        total=len(numbers) * config.steps, desc="design", unit="call", mininterval=interval, disable=not numbers
    ) as bar:
        for number in numbers:
            start = time.perf_counter()
            designs = sample_block(
                network,
                checkpoint.product,
                length=config.length,
                indices=range(number * config.batch_size, (number + 1) * config.batch_size),
                seed=config.seed,
                grid=UniformGrid(config.steps, config.last_step),
                device=device,
                record_trajectory=config.trajectories,
                progress=bar.update,
            )
            seconds = (time.perf_counter() - start) / config.batch_size
            yield [item for item in designs if item.index in missing], seconds


def _write(folder: RunFolder, item: Design, config: DesignConfig, checkpoint: Checkpoint, seconds: float) -> Row:
    """Write the files of one design and return its row."""
    title = f"gm_multimodal {design_id(item.index)}, {config.length} residues"
    remarks = [
        f"DESIGNED BY GM_MULTIMODAL {__version__}, CHECKPOINT {checkpoint.digest}",
        f"SEED {config.seed}, STEPS {config.steps}, SEQUENCE TEMPERATURE {config.sequence_temperature}",
    ]
    if "jump_weight" in config.process["rotations"]:
        remarks.append(f"ORIENTATIONS FLOW AND JUMP, WEIGHT OF THE JUMP {config.process['rotations']['jump_weight']}")
    if item.trajectory is not None:
        path = folder.trajectory(item.index)
        write_trajectory(path, item.trajectory.coordinates, item.trajectory.tokens, title=title, remarks=remarks)
    path = folder.structure(item.index)
    write_structure(path, item.coordinates, item.tokens, item.confidence, title=title, remarks=remarks)
    return table_row(item, seed=config.seed, file=path.name, seconds=seconds)


@contextmanager
def _explain_memory(config: DesignConfig) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_allocation = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "tried to allocate" in str(error)
        if not is_allocation:
            raise
        smaller = f"batch_size={config.batch_size // 2}" if config.batch_size > 1 else "a smaller length"
        raise UserInputError(
            f"memory does not suffice for {config.batch_size} designs of {config.length} residues at once: "
            f"give {smaller} and, as that is another run, another out=FOLDER."
        ) from error
