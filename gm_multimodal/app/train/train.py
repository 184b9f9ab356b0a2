"""`gm-multimodal train`: train on a dataset of chains into a folder that can be continued at any time."""

from pathlib import Path

import torch

from gm_multimodal.app.train.chains import build_module, provenance_of, read_split
from gm_multimodal.app.train.run import say_what_next, set_training_threads, training_folder
from gm_multimodal.app.train.train_options import TrainConfig
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.training.build import build_network, build_product
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.run import fit


def train(config: TrainConfig) -> Path:
    """Train a model and return the released checkpoint.

    Args:
        config: data, network, product and trainer.

    Raises:
        UserInputError: Something in the configuration cannot be built, or the folder holds another training.
        DatasetError: The dataset cannot be read, or no chain passes its filters.
    """
    set_training_threads(config.threads)
    chains, validation = read_split(config, "train"), read_split(config, "validation")
    torch.manual_seed(config.seed)
    # What they name was typed, or stands in our own files: `check_typed` saw to that.
    network = build_network(config.network, CATALOGUE, allow_code=True)
    product = build_product(config.product, CATALOGUE, allow_code=True)
    module = build_module(config, network, product)
    data = ChainData(
        chains,
        validation,
        config.residues_per_batch,
        config.seed,
        doubles_at=config.batch_doubles_at,
        validates_fitted=config.validate_training,
    )
    recipe = Recipe({"network": config.network, "product": config.product}, provenance_of(config, chains))
    with training_folder(config) as out:
        released = fit(module, data, recipe, out, config.trainer, config.ema_decay)
    say_what_next(released, recipe.config, "design")
    return released
