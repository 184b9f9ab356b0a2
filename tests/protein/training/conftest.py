"""The smallest model that has every part, from the shipped configuration, and real chains to train it on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from gm_multimodal.protein.auxiliary import BackboneLosses
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.tasks import Curriculum
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.build import build_network, build_product
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.optimisation import Optimisation
from gm_multimodal.training.run import RELEASED, fit

CONFIGS = Path(__file__).parents[3] / "configs"
PARTS = {"translations": "condot", "rotations": "geodesic", "sequence": "masking"}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / name).read_text())


STEPS = 13  # two epochs of six batches and one; shorter runs are too short for an average of weights
VALIDATED = {
    *(*PARTS, "inverse_folding", "loss"),
    *(f"hidden_{name}" for name in (*PARTS, "atoms", "bonded", "contacts", "clashes", "hydrogen_bonds")),
}
TRAINER = {
    "max_steps": STEPS,
    "accelerator": "cpu",
    "devices": 1,
    "val_check_interval": 4,
    "limit_val_batches": 1,
    "log_every_n_steps": 1,
    "gradient_clip_val": 2.0,
    "enable_progress_bar": True,
}


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The nodes `network` and `product` of a checkpoint; a few thousand weights."""
    network = read("network/small.yaml") | {"width": 16, "heads": 2, "layers": 1}
    product = {part: read(f"product/{part}/{name}.yaml") for part, name in PARTS.items()}
    # The product refers to the network, whose output it reads.
    resolved = OmegaConf.to_container(OmegaConf.create({"network": network, "product": product}), resolve=True)
    assert isinstance(resolved, dict)
    return resolved


@pytest.fixture(scope="session")
def chains(small_dataset) -> Callable[[str], Chains]:
    return lambda split: read_chains(small_dataset, split=split, min_length=20, max_length=200)


@pytest.fixture
def make_module(config) -> Callable[..., DesignModule]:
    """A module with freshly drawn weights, the same each time."""

    def make(**network: int) -> DesignModule:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return DesignModule(
                network=build_network(config["network"] | network, CATALOGUE),
                product=build_product(config["product"], CATALOGUE),
                curriculum=Curriculum(),
                auxiliary=BackboneLosses(),
                optimisation=Optimisation(warmup_steps=2),
                self_conditioning=0.5,
                seed=0,
            )

    return make


@pytest.fixture
def train(make_module, chains, config):
    """Trains into a folder; gives the module and the (step, sum of the coordinates) of every batch."""

    def run(
        out: Path,
        stop_after: int | None = None,
        patience: int | None = None,
        prepare: Callable[[DesignModule], None] = lambda module: None,
        validates: bool = True,
        data: Mapping[str, Any] = MappingProxyType({}),
        **trainer: Any,
    ):
        module, seen = make_module(), []
        prepare(module)
        draw = module.curriculum.draw

        class Watched:
            def draw(self, batch, product, noise):
                seen.append((module.global_step, batch.state["translations"].sum().item()))
                if len(seen) == stop_after:
                    module.trainer.should_stop = True  # what `max_time` does
                return draw(batch, product, noise)

        module.curriculum = Watched()
        validation = chains("validation") if validates else None
        batches = ChainData(chains("train"), validation, residues_per_batch=300, seed=0, **data)
        recipe = Recipe(config, {"length_range": [40, 80], "data": "chains_small.parquet"})
        released = fit(module, batches, recipe, out, TRAINER | trainer, ema_decay=0.9, patience=patience)
        assert released == out / RELEASED
        return module, seen

    return run


@pytest.fixture
def weights():
    def read(module) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in module.network.parameters()])

    return read
