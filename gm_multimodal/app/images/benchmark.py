"""`gm-multimodal images benchmark`: every sampler at every number of network calls, from one trained network."""

import dataclasses
import itertools
import time
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from gm_multimodal.app.devices import resolve_device, set_threads
from gm_multimodal.app.images.judge import Judge, make_judge
from gm_multimodal.app.images.sample import COLUMNS, SHOWN, write_images
from gm_multimodal.app.images.table import HELD_OUT, Cell, Results, Row, markdown
from gm_multimodal.app.images.train import train
from gm_multimodal.app.records import RECORD, keep_record, read_record
from gm_multimodal.app.run_folder import writing
from gm_multimodal.app.schemas.images_benchmark import ImageBenchmarkConfig
from gm_multimodal.app.schemas.images_train import ImageTrainConfig
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.images.dataset import load_images, points_of
from gm_multimodal.images.pictures import write_grid
from gm_multimodal.images.samplers import ImageSampler, Settings
from gm_multimodal.training.images import ImageModel, load_image_model

# More cells continue a table; these do not change those that are there.
_MAY_DIFFER = ("out", "samplers", "calls", "seeds", "threads", "device", "checkpoint")
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
    training, held_out = (load_images(config.data, split) for split in ("train", "test"))
    out = _keep_record(config)
    checkpoint = Path(config.checkpoint).expanduser() if config.checkpoint else _trained(config)
    model = load_image_model(checkpoint)
    _keep_record(config, model.digest)
    if tuple(model.pixels.shape) != training.shape:
        raise UserInputError(
            f"checkpoint={checkpoint} draws images of shape {tuple(model.pixels.shape)}, and data={config.data} "
            f"holds images of shape {training.shape}: give a checkpoint of these data, or none to train one."
        )
    judge = make_judge(training, held_out, out / "classifier.safetensors", config.seed, config.inception)
    results = Results(out / "table.csv")
    if (HELD_OUT, 0, 0) not in results.rows():
        results.add({**judge.row(judge.held_out[: config.num_samples]), **_named(HELD_OUT, 0, 0)})
        write_grid(out / "held_out.png", judge.held_out[:: max(1, len(judge.held_out) // SHOWN)][:SHOWN], COLUMNS)
    network, done = model.network.to(device), results.rows()
    missing = [cell for cell in cells if cell not in done]
    work = sum(config.num_samples * calls for _, calls, _ in missing)
    with tqdm(total=work, unit="call", unit_scale=True, disable=None) as bar:
        for cell in missing:
            bar.set_description(f"{cell[0]}, {cell[1]} calls, seed {cell[2]}")
            results.add(_cell(config, cell, network, model, judge, device, bar))
    return _report(config, out, results.rows())


def _cell(
    config: ImageBenchmarkConfig,
    cell: Cell,
    network: nn.Module,
    model: ImageModel,
    judge: Judge,
    device: torch.device,
    bar: "tqdm[None]",
) -> Row:
    """Sample one cell, unless its samples lie on disk, and judge it."""
    name, calls, seed = cell
    settings, precision = Settings(config.jump_weight, config.noise, config.late), getattr(torch, config.precision)
    sampler = ImageSampler(name, calls, settings, config.sample_batch, precision, device)
    start = time.process_time()
    images = sampler.images(network, model.pixels, seed, config.num_samples, lambda count: bar.update(count * calls))
    seconds = time.process_time() - start
    stem = f"{name}_{calls}_{seed}"
    out = Path(config.out)
    with writing(out):
        for folder in ("samples", "grids"):
            (out / folder).mkdir(exist_ok=True)
        write_images(out / "samples" / f"{stem}.npz", images)
        points = points_of(images, model.pixels.levels)
        write_grid(out / "grids" / f"{stem}.png", points[:SHOWN], COLUMNS)
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
    print(f"\n{text}\n\nAll figures are in {out / 'table.csv'}, pictures in {out / 'grids'}.")
    return out / "table.csv"


def _keep_record(config: ImageBenchmarkConfig, digest: str | None = None) -> Path:
    """Write config.yaml, refusing a folder that holds a table of other settings or of another checkpoint."""
    out, key, kind = Path(config.out), "samplers", "benchmark"
    with writing(out):
        file = out / RECORD
        known = read_record(file, key, kind).get(_DIGEST) if file.is_file() else None
        record = {**dataclasses.asdict(config), _DIGEST: digest or known}  # not known before the training is done
        may_differ = _MAY_DIFFER if known else (*_MAY_DIFFER, _DIGEST)
        keep_record(out, record, key=key, kind=kind, may_differ=may_differ)
    return out
