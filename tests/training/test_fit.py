"""A real training of a few steps on real chains: what it writes, and that stopping and resuming leaves no trace."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from gm_multimodal.training.checkpoints import load_checkpoint
from gm_multimodal.training.data import ChainData
from gm_multimodal.training.run import LAST, RELEASED
from tests.training.conftest import STEPS, TRAINER


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
    released = (tmp_path / RELEASED).read_bytes()
    _, seen = train(tmp_path)
    assert seen == []
    assert (tmp_path / LAST).read_bytes() == before
    assert (tmp_path / RELEASED).read_bytes() == released


@pytest.mark.parametrize("stop", [4, 7], ids=["between two steps", "within a step"])
def test_an_accumulating_training_resumes_after_a_whole_step(tmp_path, train, weights, stop):
    accumulating = {"accumulate_grad_batches": 2, "max_steps": 5, "val_check_interval": 3}
    whole, batches = train(tmp_path / "whole", **accumulating)
    assert [step for step, _ in batches] == [k // 2 for k in range(10)]
    _, first = train(tmp_path / "parts", stop_after=stop, **accumulating)
    assert len(first) == stop + stop % 2
    resumed, second = train(tmp_path / "parts", **accumulating)
    assert first + second == batches
    assert torch.equal(weights(resumed), weights(whole))
    (log,) = (tmp_path / "whole").rglob("metrics.csv")
    assert pd.read_csv(log)["validation/loss"].notna().sum() == 1  # validations are counted in steps


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
