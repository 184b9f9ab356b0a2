"""`gm-multimodal images benchmark`: every sampler at every number of network calls, from one trained network."""

import dataclasses
import itertools
import re
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.app.folders.hold import writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.app.images.benchmark_options import ImageBenchmarkConfig
from gm_multimodal.app.images.benchmark_table import HELD_OUT, BenchmarkResults, Cell, Row, markdown
from gm_multimodal.app.images.judge import SampleJudge, make_judge
from gm_multimodal.app.images.sample import COLUMNS, SHOWN, write_images
from gm_multimodal.app.images.train import train
from gm_multimodal.app.images.train_options import ImageTrainConfig
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.app.train.run import held
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import leftovers, own_folder, write_atomically
from gm_multimodal.images.checkpoint import ImageModel, load_image_model
from gm_multimodal.images.dataset import ImageSet, load_images, points_of
from gm_multimodal.images.pictures import write_grid
from gm_multimodal.images.product import Pixels
from gm_multimodal.images.quality.classifier import labels_of
from gm_multimodal.images.quality.inception import find_inception
from gm_multimodal.images.samplers import ImageSampler, Settings

# More cells continue a table; these do not change those that are there.
_MAY_DIFFER = ("out", "samplers", "calls", "seeds", "threads", "device", "checkpoint", "max_megabytes")
_OUTPUTS = ("table.csv", "table.md", "classifier.safetensors", "held_out.png", "samples", "grids")
_RECORD = RunRecord(
    "a benchmark",
    "samplers",
    "|".join(map(re.escape, _OUTPUTS)),
    refused=_OUTPUTS,
    may_differ=_MAY_DIFFER,
)
_DIGEST = "checkpoint_digest"


def benchmark(config: ImageBenchmarkConfig) -> Path:
    """Train, sample and judge, cell by cell, and return the table.

    Raises:
        UserInputError: A setting does not fit, or the folder holds another benchmark.
        DatasetError: The images cannot be read, or have no labels.
        CheckpointError: The checkpoint cannot be used.
    """
    cells = [*itertools.product(config.chosen, config.calls, range(config.seeds))]
    set_threads(config.threads)
    device = resolve_device(config.device)
    training, held_out = (
        load_images(config.data, split, config.max_megabytes * MEGABYTE) for split in ("train", "test")
    )
    # What could fail after hours of training fails before it, and a folder is claimed when all is known to work.
    labels_of(training)
    if config.inception:
        find_inception(config.inception)
        if not config.allow_code:
            raise UserInputError(
                f"inception={config.inception} is TorchScript, which is a program: if you trust its source, add "
                "allow_code=true."
            )
    with held(Path(config.out)):
        return _complete(config, cells, training, held_out, device)


def _complete(
    config: ImageBenchmarkConfig, cells: Sequence[Cell], training: ImageSet, held_out: ImageSet, device: torch.device
) -> Path:
    """Compute the cells that are missing, and return the table."""
    out, record = Path(config.out), recorded(config)
    # What cannot be continued is refused before a training of hours, whose checkpoint is not known yet.
    dataclasses.replace(_RECORD, may_differ=(*_MAY_DIFFER, _DIGEST)).check(out, record)
    checkpoint = Path(config.checkpoint).expanduser() if config.checkpoint else _trained(config)
    model = load_image_model(checkpoint, allow_code=config.allow_code)
    _check_fit(checkpoint, model.pixels, training)
    _RECORD.keep(out, {**record, _DIGEST: model.digest})
    judge = make_judge(training, held_out, out / "classifier.safetensors", config.seed, config.inception, device)
    results = BenchmarkResults(out / "table.csv")
    if (HELD_OUT, 0, 0) not in results.rows():
        results.add({**judge.row(_some(judge.held_out, config.num_samples)), **_named(HELD_OUT, 0, 0)})
        write_grid(out / "held_out.png", judge.held_out[:: max(1, len(judge.held_out) // SHOWN)][:SHOWN], COLUMNS)
    network, done = model.network.to(device), results.rows()
    missing = [cell for cell in cells if cell not in done]
    for cell in missing:
        results.add(_cell(config, cell, network, model, judge, device))
    return _report(config, out, results.rows())


def _cell(
    config: ImageBenchmarkConfig,
    cell: Cell,
    network: nn.Module,
    model: ImageModel,
    judge: SampleJudge,
    device: torch.device,
) -> Row:
    """Sample one cell, keep its samples, and judge them."""
    name, calls, seed = cell
    settings, precision = Settings(config.jump_weight, config.noise, config.late), getattr(torch, config.precision)
    sampler = ImageSampler(name, calls, settings, config.sample_batch, precision, device)
    start = time.process_time()
    with progress_bar(f"{name}, {calls} calls, seed {seed}", config.num_samples, "image") as advance:
        images = sampler.images(network, model.pixels, seed, config.num_samples, advance)
    seconds = time.process_time() - start
    stem = f"{name}_{calls}_{seed}"
    out = Path(config.out)
    with writing(out):
        samples, grids = (own_folder(out / folder) for folder in ("samples", "grids"))
        for file in (*leftovers(samples, rf"{stem}\.npz"), *leftovers(grids, rf"{stem}\.png")):
            file.unlink()
        write_images(samples / f"{stem}.npz", images)
        points = points_of(images, model.pixels.levels)
        write_grid(grids / f"{stem}.png", points[:SHOWN], COLUMNS)
    return {**judge.row(points), **_named(*cell), "cpu_seconds": f"{seconds:.1f}"}


def _named(sampler: str, calls: int, seed: int) -> dict[str, str]:
    return {"sampler": sampler, "calls": str(calls), "seed": str(seed)}


def _trained(config: ImageBenchmarkConfig) -> Path:
    """Train, or go on with the training of this benchmark; one that is done is not taken up again."""
    names = {item.name for item in dataclasses.fields(ImageTrainConfig)}
    settings = {name: getattr(config, name) for name in names}
    folder = Path(config.out) / "train"
    released, finished = folder / "model.safetensors", folder / "finished"
    if not (released.is_file() and finished.is_file()):
        with writing(folder):
            own_folder(folder)
        train(ImageTrainConfig(**{**settings, "out": str(folder)}))
        write_atomically(finished, "")
    return released


def _report(config: ImageBenchmarkConfig, out: Path, rows: dict[Cell, Row]) -> Path:
    """Print the table and write it as Markdown."""
    real = rows[HELD_OUT, 0, 0]
    text = "\n".join(
        [
            f"Fréchet distance to the training images of {config.data}, in the features of a classifier of these:",
            "",
            markdown(rows, config.chosen, config.calls),
            "",
            f"{real['samples']} held-out images are at {float(real['frechet']):.3g}; as many samples:",
            "",
            markdown(rows, config.chosen, config.calls, "frechet_as_held_out"),
        ]
    )
    write_atomically(out / "table.md", text + "\n")
    show("", *text.split("\n"), "", f"All figures are in {out / 'table.csv'}, pictures in {out / 'grids'}.")
    return out / "table.csv"


def _check_fit(checkpoint: Path, pixels: Pixels, images: ImageSet) -> None:
    """Refuse a checkpoint that draws other images than those it is compared with."""
    draws, wanted = (tuple(pixels.shape), pixels.levels), (images.shape, images.levels)
    if draws != wanted:
        raise UserInputError(
            f"checkpoint={checkpoint} draws images of shape {draws[0]} in {draws[1]}, and data {images.name} holds "
            f"images of shape {wanted[0]} in {wanted[1]} levels: give a checkpoint of these data, or none to train one."
        )


def _some(points: Tensor, number: int) -> Tensor:
    """Return that many images at most, of all classes even where these lie one after another."""
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:number].sort().values]
