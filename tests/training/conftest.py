"""The smallest model that has every part, from the shipped configuration, and real chains to train it on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from gm_multimodal.protein.auxiliary import BackboneLosses
from gm_multimodal.protein.dataset import Chains, read_chains
from gm_multimodal.protein.tasks import Curriculum
from gm_multimodal.training.build import build_network, build_product
from gm_multimodal.training.module import DesignModule, Optimisation

CONFIGS = Path(__file__).parents[2] / "configs"
PARTS = {"translations": "condot", "rotations": "geodesic", "sequence": "masking"}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / name).read_text())


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The nodes `network` and `product` of a checkpoint; a few thousand weights."""
    network = read("network/small.yaml") | {"width": 16, "heads": 2, "layers": 1, "pair_width": 8}
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
                network=build_network(config["network"] | network),
                product=build_product(config["product"]),
                curriculum=Curriculum(),
                auxiliary=BackboneLosses(),
                optimisation=Optimisation(warmup_steps=2),
                self_conditioning=0.5,
                seed=0,
            )

    return make
