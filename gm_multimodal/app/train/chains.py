"""What all trainings on chains share: reading them, the loss around a network, and what the checkpoint says of them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.train.training_options import TrainingConfig
from gm_multimodal.product import Factor
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.dataset import NATIVE, SOFT, read_chains
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.build import build


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
