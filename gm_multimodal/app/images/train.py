"""`gm-multimodal images train`: train a network over pixels into a folder that can be continued at any time."""

import dataclasses
from pathlib import Path

import torch

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.images.train_options import ImageTrainConfig
from gm_multimodal.app.train.run import say_what_next, set_training_threads, training_folder
from gm_multimodal.images.catalogue import CATALOGUE
from gm_multimodal.images.dataset import ImageSet, load_images
from gm_multimodal.images.product import Pixels
from gm_multimodal.images.training.data import ImageData
from gm_multimodal.images.training.module import ImageModule
from gm_multimodal.training.build import build, build_network
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.run import fit

_MOST_BINS = 65  # that auto chooses


def train(config: ImageTrainConfig) -> Path:
    """Train a network on the images of one data set and return the released checkpoint.

    Raises:
        UserInputError: Something in the configuration cannot be built, or the folder holds another training.
        DatasetError: The images cannot be read.
    """
    set_training_threads(config.threads)
    images, held_out = (load_images(config.data, split, config.max_megabytes * MEGABYTE) for split in ("train", "test"))
    bins = min(images.levels, _MOST_BINS) if isinstance(config.bins, str) else config.bins
    pixels = Pixels(images.shape, images.levels, bins)
    (outputs,) = pixels.heads.output_shape[1:]
    network = {**config.unet, "shape": list(images.shape), "outputs": outputs}
    torch.manual_seed(config.seed)
    # What they name was typed, or stands in our own files: `check_typed` saw to that.
    unet = build_network(network, CATALOGUE, allow_code=True)
    optimisation = build(config.optimisation, CATALOGUE, allow_code=True)
    module = ImageModule(unet, pixels, optimisation, config.seed)
    data = ImageData(images, held_out, config.batch_size, config.mirrored, config.seed)
    described = {"shape": list(images.shape), "levels": images.levels, "bins": bins}
    recipe = Recipe({"network": network, "pixels": described}, _provenance(config, images))
    # The path of the data may change, the images may not: nothing else in the settings tells one set from another.
    with training_folder(config, images=images.digest()) as out:
        released = fit(module, data, recipe, out, config.trainer, config.ema_decay)
    say_what_next(released, recipe.config, "images sample")
    return released


def _provenance(config: ImageTrainConfig, images: ImageSet) -> dict[str, object]:
    """Return what the released checkpoint says of its data and settings."""
    settings = dataclasses.asdict(config)
    kept = ("seed", "batch_size", "mirrored", "ema_decay", "optimisation")
    return {"data": images.name, "images": len(images), **{name: settings[name] for name in kept}}
