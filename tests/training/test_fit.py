"""A real training of a few steps on real chains: what it writes, and that stopping and resuming leaves no trace."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.checkpoints import load_checkpoint
from gm_multimodal.training.data import ChainData
from gm_multimodal.training.run import LAST, RELEASED, fit

STEPS = 13  # two epochs of six batches and one; shorter runs are too short for an average of weights
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


@pytest.fixture
def train(make_module, chains, config):
    """Trains into a folder; gives the module and the (step, residues of each row) of every batch."""

    def run(out: Path, stop_after: int | None = None, **trainer):
        module, seen = make_module(), []
        draw = module.curriculum.draw

        class Watched:
            def draw(self, batch, product, noise):
                seen.append((module.global_step, batch.state["translations"].sum().item()))
                if len(seen) == stop_after:
                    module.trainer.should_stop = True  # what `max_time` does
                return draw(batch, product, noise)

        module.curriculum = Watched()
        data = ChainData(chains("train"), chains("validation"), residues_per_batch=300, seed=0)
        recipe = Recipe(config, {"length_range": [40, 80], "data": "chains_small.parquet"})
        assert fit(module, data, recipe, out, TRAINER | trainer, ema_decay=0.9) == out / RELEASED
        return module, seen

    return run


@pytest.fixture
def weights():
    def read(module) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in module.network.parameters()])

    return read


def test_a_training_writes_what_design_and_resuming_need(tmp_path, train, weights, config, make_module):
    module, seen = train(tmp_path)
    assert [step for step, _ in seen] == list(range(STEPS))
    assert {file.name for file in tmp_path.iterdir()} == {RELEASED, LAST, "logs"}
    checkpoint = load_checkpoint(tmp_path / RELEASED)
    provenance = checkpoint.metadata["provenance"]
    assert provenance["steps"] == STEPS  # not a multiple of the validation interval
    assert provenance["data"] == "chains_small.parquet"
    assert set(provenance["losses"]) == {f"validation/{name}" for name in (*module.product, "inverse_folding", "loss")}
    assert checkpoint.config == config
    # What is released are the averaged weights, which fit leaves in the module; last.ckpt holds the running ones too.
    released = torch.cat([p.flatten() for p in checkpoint.network.parameters()])
    assert torch.equal(released, weights(module).to(torch.bfloat16).float())
    assert not torch.isclose(released, weights(make_module()), atol=1e-3).all()
    state = torch.load(tmp_path / LAST, weights_only=False)
    assert state["global_step"] == STEPS
    averaged = torch.cat([state["state_dict"][f"network.{n}"].flatten() for n, _ in module.network.named_parameters()])
    running = [state["current_model_state"][f"network.{n}"].flatten() for n, _ in module.network.named_parameters()]
    assert torch.equal(averaged, weights(module))
    assert not torch.equal(averaged, torch.cat(running))


def test_losses_are_logged_in_a_table(tmp_path, train):
    train(tmp_path)
    (file,) = tmp_path.rglob("metrics.csv")
    table = pd.read_csv(file)
    losses = table["train/loss"].dropna()
    assert len(losses) == STEPS
    assert losses.gt(0).all()
    assert table["validation/sequence"].notna().sum() == STEPS // TRAINER["val_check_interval"]


@pytest.mark.parametrize("stop", [4, 6, 8], ids=["at a validation", "end of an epoch", "second epoch"])
def test_stopping_and_resuming_leaves_no_trace(tmp_path, train, weights, stop):
    """Batches and weights are those of a run without interruption, bit by bit."""
    whole, batches = train(tmp_path / "whole")
    _, first = train(tmp_path / "parts", stop_after=stop)
    assert len(first) == stop
    resumed, second = train(tmp_path / "parts")
    assert first + second == batches
    assert torch.equal(weights(resumed), weights(whole))
    logs = [pd.read_csv(file) for file in (tmp_path / "parts").rglob("metrics.csv")]
    assert sum(log["train/loss"].notna().sum() for log in logs) == STEPS  # the first part is still there


def test_a_finished_training_is_not_repeated(tmp_path, train):
    train(tmp_path)
    before = (tmp_path / LAST).read_bytes()
    _, seen = train(tmp_path)
    assert seen == []
    assert (tmp_path / LAST).read_bytes() == before


def test_epochs_show_other_batches_and_all_ranks_equally_many(chains):
    loaders = []
    for rank in range(2):
        data = ChainData(chains("train"), chains("validation"), residues_per_batch=160, seed=0)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2, accumulate_grad_batches=1)
        loaders.append(data.train_dataloader())
    shown = {}
    for epoch in range(3):
        for rank, loader in enumerate(loaders):
            loader.sampler.set_epoch(epoch)
            shown[epoch, rank] = [batch.state["translations"].sum().item() for batch in loader]
            assert len(shown[epoch, rank]) == len(loaders[0])
    assert shown[0, 0] != shown[1, 0]
    assert not set(shown[0, 0]) & set(shown[0, 1])


def test_a_training_in_mixed_precision_learns(tmp_path, train, weights, make_module):
    module, seen = train(tmp_path, precision="bf16-mixed")
    assert len(seen) == STEPS
    assert weights(module).isfinite().all()
    assert not torch.isclose(weights(module), weights(make_module()), atol=1e-3).all()
