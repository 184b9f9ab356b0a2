"""`gm-multimodal train`: train on a dataset of chains into a folder that can be continued at any time."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
import yaml

from gm_multimodal.app.devices import set_threads
from gm_multimodal.app.differences import refuse_differences
from gm_multimodal.app.run_folder import writing
from gm_multimodal.app.schemas.train import TrainConfig
from gm_multimodal.protein.dataset import Chains, read_chains
from gm_multimodal.protein.output import write_atomically
from gm_multimodal.training.build import build, build_network, build_product
from gm_multimodal.training.data import ChainData
from gm_multimodal.training.module import DesignModule
from gm_multimodal.training.run import Recipe, fit


def train(config: TrainConfig) -> Path:
    """Train a model and return the released checkpoint.

    Args:
        config: data, network, product and trainer.

    Raises:
        UserInputError: Something in the configuration cannot be built, or the folder holds another training.
        DatasetError: The dataset cannot be read, or no chain passes its filters.
    """
    set_threads(config.threads)
    out = Path(config.out)
    chains, validation = _read(config, "train"), _read(config, "validation")
    torch.manual_seed(config.seed)
    module = DesignModule(
        network=build_network(config.network),
        product=build_product(config.product),
        curriculum=build(config.curriculum),
        auxiliary=build(config.auxiliary),
        optimisation=build(config.optimisation),
        self_conditioning=config.self_conditioning,
        seed=config.seed,
    )
    # Only now: a command that could not start must not stand in the way of the mended one.
    _keep_record(out, config)
    data = ChainData(chains, validation, config.residues_per_batch, config.seed)
    recipe = Recipe({"network": config.network, "product": config.product}, _provenance(config, chains))
    released = fit(module, data, recipe, out, config.trainer, config.ema_decay)
    if module.global_rank == 0:
        print(f"The checkpoint is {released}. To use it: gm-multimodal design checkpoint={released}")
    return released


def _keep_record(out: Path, config: TrainConfig) -> None:
    """Write config.yaml, refusing to continue another training; what may change is how long and how to train."""
    record = dataclasses.asdict(config)
    del record["out"]
    file = out / "config.yaml"
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            old = yaml.safe_load(file.read_text(encoding="utf-8"))
            refuse_differences(out, old, record, may_differ=("trainer", "optimisation", "auxiliary", "threads", "data"))
        write_atomically(file, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def _read(config: TrainConfig, split: str) -> Chains:
    return read_chains(
        config.data,
        split=split,
        min_length=config.min_length,
        max_length=config.max_length,
        max_gyration_ratio=config.max_gyration_ratio,
        max_coil=config.max_coil,
    )


def _provenance(config: TrainConfig, chains: Chains) -> dict[str, Any]:
    settings = dataclasses.asdict(config)
    kept = ("seed", "max_gyration_ratio", "max_coil", "residues_per_batch", "curriculum", "auxiliary", "optimisation")
    return {
        "data": Path(config.data).name,
        "chains": len(chains),
        "clusters": len(set(chains.clusters.tolist())),
        "length_range": [int(chains.lengths.min()), int(chains.lengths.max())],
        **{name: settings[name] for name in kept},
    }
