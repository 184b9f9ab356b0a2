"""`gm-multimodal images sample`: images of one sampler as a picture, as numbers, and as a film."""

import io
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.app.folders.hold import only_run_in, writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.app.images.sample_options import ImageSampleConfig
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.images.checkpoint import load_image_model
from gm_multimodal.images.dataset import points_of
from gm_multimodal.images.formats.npz import read_arrays
from gm_multimodal.images.pictures import write_gif, write_grid
from gm_multimodal.images.product import Pixels
from gm_multimodal.images.samplers import ImageSampler, Settings
from gm_multimodal.sampling.observers import StateRecorder

SHOWN, COLUMNS = 64, 16
"""Images of a picture, and of one of its rows."""

_SAMPLES, _PICTURE, _FILM = "samples.npz", "samples.png", "trajectory.gif"
_OUTPUTS = (_SAMPLES, _PICTURE, _FILM)
_RECORD = RunRecord(
    "a set of samples",
    "sampler",
    "|".join(map(re.escape, _OUTPUTS)),
    refused=_OUTPUTS,
    may_differ=("out", "threads", "trajectory", "num_samples", "max_megabytes"),
)


def sample(config: ImageSampleConfig) -> Path:
    """Draw images and return the folder that holds them.

    Raises:
        UserInputError: A setting does not fit, or the folder holds other samples.
        CheckpointError: The checkpoint cannot be used.
    """
    set_threads(config.threads)
    device = resolve_device(config.device)
    model = load_image_model(Path(config.checkpoint).expanduser(), allow_code=config.allow_code)
    settings = Settings(config.jump_weight, config.noise, config.late)
    precision = getattr(torch, config.precision)
    sampler = ImageSampler(config.sampler, config.calls, settings, config.sample_batch, precision, device)
    with only_run_in(Path(config.out)):
        out = Path(config.out)
        _RECORD.keep(out, {**recorded(config), "checkpoint": model.digest})
        images = _complete(out, config, sampler, model.network.to(device), model.pixels)
    show(f"{len(images)} images of {config.sampler} with {config.calls} network calls are in {out}.")
    return out


def _complete(
    out: Path, config: ImageSampleConfig, sampler: ImageSampler, network: nn.Module, pixels: Pixels
) -> Tensor:
    """Draw the images that are missing, write everything and return the images, uint8 [N, C, H, W]."""
    images = _drawn(out / _SAMPLES, pixels, config.max_megabytes * MEGABYTE)
    if len(images) < config.num_samples:
        with progress_bar("sample", config.num_samples, "image") as advance:
            images = sampler.images(network, pixels, config.seed, config.num_samples, advance)
    with writing(out):
        write_images(out / _SAMPLES, images)
        write_grid(out / _PICTURE, points_of(images[:SHOWN], pixels.levels), COLUMNS)
        if config.trajectory:
            film = _film(sampler, network, pixels, config.seed, min(config.num_samples, SHOWN))
            write_gif(out / _FILM, film, COLUMNS)
    return images


def _drawn(path: Path, pixels: Pixels, max_bytes: int) -> Tensor:
    """Return the images that lie in a folder already, uint8 [N, C, H, W]: fewer than asked for are drawn anew."""
    if not path.is_file():
        return torch.zeros(0, 1, 1, 1, dtype=torch.uint8)
    images = read_arrays(path, max_bytes).get("images")
    if images is None or images.dtype != np.uint8 or images.shape[1:] != tuple(pixels.shape):
        raise UserInputError(f"{path} does not hold images of this checkpoint: give another out=FOLDER.")
    return torch.from_numpy(images)


def write_images(path: Path, images: Tensor) -> None:
    """Write levels [N, C, H, W] as `images` of a compressed npz file, atomically; equal images are equal bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, images=images.numpy())
    write_atomically(path, file.getvalue())


def _film(sampler: ImageSampler, network: nn.Module, pixels: Pixels, seed: int, count: int) -> Tensor:
    """Return the states of the first images from the prior to the end, [T, count, C, H, W]."""
    recorder = StateRecorder()
    sampler.block(network, pixels, seed, 0, [recorder])
    return torch.stack([pixels.images(state)[:count] for state in recorder.states])
