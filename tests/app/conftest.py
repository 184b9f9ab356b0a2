"""A command line in this process, a sampler that costs nothing, and a real checkpoint that is as small as they come."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gm_multimodal.app.cli import main

# Lightning logs to the standard error of the test that imports it first, which is closed in all others.
logging.raiseExceptions = False

TINY = ("network=small", "network.width=16", "network.heads=2", "network.layers=1")


@pytest.fixture
def run(tmp_path, monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in an empty folder; returns exit code, standard output, standard error."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """An untrained network of a few thousand weights, saved as `train` would."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from gm_multimodal.app.cli.options import config_directory
    from gm_multimodal.protein.catalogue import CATALOGUE
    from gm_multimodal.training.build import build_network
    from gm_multimodal.training.checkpoints import save_checkpoint

    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", overrides=["data=unused", *TINY])
    sections = OmegaConf.to_container(config, resolve=True)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    network = build_network(sections["network"], CATALOGUE)
    parts = {key: sections[key] for key in ("network", "product")}
    save_checkpoint(path, network.state_dict(), parts, {"length_range": [20, 30], "data": "none"})
    return path


class FakeSampler:
    """Draws designs from numpy alone, counts its calls, and can be told to fail at one of them."""

    def __init__(self) -> None:
        self.blocks: list[list[int]] = []
        self.fail_at: int | None = None
        self.failure: BaseException = KeyboardInterrupt()

    def __call__(
        self, network, product, *, blueprints, indices, seed, grid, device, ideal_bonds, record_trajectory, progress
    ):
        from gm_multimodal.protein.design import Design

        if len(self.blocks) == self.fail_at:
            raise self.failure
        self.blocks.append(list(indices))
        designs = []
        for index, blueprint in zip(indices, blueprints, strict=True):
            length = len(blueprint)
            rng = np.random.default_rng([seed, index, length])
            coordinates = (4 * rng.normal(size=(length, 4, 3))).astype(np.float32)
            tokens = rng.integers(0, 20, length)
            backbone = dataclasses.replace(blueprint.backbone, coordinates=coordinates, tokens=tokens)
            masked = dataclasses.replace(backbone, tokens=np.full(length, 20))
            trajectory = (masked, backbone) if record_trajectory else None
            designs.append(
                Design(index, blueprint, backbone, rng.random(length), rng.random(), tokens >= 0, trajectory)
            )
        return designs


@pytest.fixture
def sampler(monkeypatch, tiny_checkpoint) -> FakeSampler:
    """Replace checkpoint and sampler of `design` by ones that cost nothing."""
    from gm_multimodal.app.design import command, resolution
    from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint

    fake = FakeSampler()
    digests = {"base": "0" * 16, "other": "1" * 16}
    monkeypatch.setattr(command, "sample_block", fake)
    monkeypatch.setattr(resolution, "resolve", lambda name: name)

    def load(path, processes, allow_code):
        product = load_checkpoint(tiny_checkpoint, processes, allow_code=allow_code).product
        return Checkpoint(torch.nn.Identity(), product, {}, {}, digests.get(path, "2" * 16), (20, 40))

    monkeypatch.setattr(resolution, "load_checkpoint", load)
    return fake
