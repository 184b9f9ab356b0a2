"""Training further: the best validation is kept, patience ends, frozen weights stay, other chains are replayed."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from gm_multimodal.protein.checkpoint import load_checkpoint
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.finetune import make_trainable
from gm_multimodal.training.run import LAST, RELEASED
from tests.protein.training.conftest import STEPS, VALIDATED

LOSS = "validation/loss"


@pytest.fixture
def provenance(tmp_path):
    return lambda folder="": load_checkpoint(tmp_path / folder / RELEASED).metadata["provenance"]


@pytest.fixture
def pretend(monkeypatch, weights):
    """Validations with these held-out losses, first before the first step; returns the weights that each saw."""

    def with_losses(*losses: float) -> list[torch.Tensor]:
        shown = []

        def validation_step(module, batch, number):
            module.log_dict({LOSS: losses[len(shown)]}, batch_size=1)
            shown.append(weights(module))

        monkeypatch.setattr(DesignModule, "validation_step", validation_step)
        return shown

    return with_losses


def test_the_held_out_loss_falls_and_both_ends_are_on_record(tmp_path, train, provenance):
    train(tmp_path, patience=3, limit_val_batches=4)
    before, after = provenance()["losses_before"], provenance()["losses"]
    assert set(before) == set(after) == {f"validation/{name}" for name in VALIDATED}
    assert after[LOSS] < 0.95 * before[LOSS]
    assert provenance()["steps"] == STEPS  # the last step is validated too, though no multiple of the interval
    (log,) = tmp_path.rglob("metrics.csv")
    assert pd.read_csv(log)[LOSS].dropna().iloc[-1] == pytest.approx(after[LOSS], rel=1e-6)


def test_the_best_validation_is_released_and_patience_ends_the_training(tmp_path, train, pretend, provenance):
    shown = pretend(5.0, 4.0, 2.0, 3.0, 2.5)
    module, seen = train(tmp_path, patience=2, val_check_interval=2)
    assert len(seen) == module.global_step == 8  # of 13: validations after 2, 4, 6 and 8 steps
    assert len(shown) == 5
    assert provenance()["steps"] == 4
    assert (provenance()["losses_before"], provenance()["losses"]) == ({LOSS: 5.0}, {LOSS: 2.0})
    released = torch.cat([p.flatten() for p in load_checkpoint(tmp_path / RELEASED).network.parameters()])
    assert torch.equal(released, shown[2].to(torch.bfloat16).float())
    files = {name: (tmp_path / name).read_bytes() for name in (LAST, RELEASED)}
    assert train(tmp_path, patience=2, val_check_interval=2)[1] == []  # the same command has nothing left to do
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_more_patience_takes_a_stopped_training_up_again(tmp_path, train, pretend, provenance):
    shown = pretend(5.0, 4.0, 4.5, 3.0, 2.0, 2.0, 2.0, 2.0)
    assert len(train(tmp_path, patience=1, val_check_interval=2)[1]) == 4
    assert len(train(tmp_path, patience=9, val_check_interval=2)[1]) == STEPS - 4
    assert (len(shown), provenance()["steps"]) == (8, 8)


@pytest.mark.parametrize("stop", [4, 7], ids=["at a validation", "between validations"])
def test_stopping_and_resuming_leaves_no_trace_in_the_release(tmp_path, train, weights, stop):
    whole, batches = train(tmp_path / "whole", patience=3)
    _, first = train(tmp_path / "parts", stop_after=stop, patience=3)
    resumed, second = train(tmp_path / "parts", patience=3)
    assert first + second == batches
    assert torch.equal(weights(resumed), weights(whole))
    assert (tmp_path / "parts" / RELEASED).read_bytes() == (tmp_path / "whole" / RELEASED).read_bytes()


def test_frozen_weights_stay_bit_by_bit_and_the_heads_learn(tmp_path, train, make_module):
    train(tmp_path, patience=3, prepare=lambda module: make_trainable(module.network, "heads"))
    before, after = make_module().network.state_dict(), load_checkpoint(tmp_path / RELEASED).network.state_dict()
    changed = {name for name, old in before.items() if not torch.equal(old.to(torch.bfloat16).float(), after[name])}
    assert {name for name in before if "types_head" in name or ".move." in name} <= changed
    assert not any(part in name for name in changed for part in ("embed", "pairs", "attention", "transition", "local"))
    running = torch.load(tmp_path / LAST, weights_only=False)["state_dict"]
    frozen = [name for name in before if f"network.{name}" in running and name not in changed]
    assert len(frozen) > 10
    assert all(torch.equal(running[f"network.{name}"], before[name]) for name in frozen)


def test_everything_learns_unless_told_otherwise(make_module):
    network = make_module().network.requires_grad_(False).eval()
    make_trainable(network, "all")
    assert all(p.requires_grad for p in network.parameters())
    assert network.training


def test_without_validation_chains_the_last_weights_are_released(tmp_path, train, provenance, weights):
    module, seen = train(tmp_path, patience=1, validates=False)
    assert len(seen) == provenance()["steps"] == STEPS
    assert provenance()["losses"] == {}
    released = torch.cat([p.flatten() for p in load_checkpoint(tmp_path / RELEASED).network.parameters()])
    assert torch.equal(released, weights(module).to(torch.bfloat16).float())


def test_batches_hold_chains_of_one_dataset_or_of_the_other(chains):
    data = ChainData(chains("train"), None, 160, 0, replay=chains("validation"), replay_share=0.5)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, accumulate_grad_batches=1, global_step=0, max_steps=1)
    loader, sources = data.train_dataloader(), set()
    for _ in range(10):
        for indices in loader.sampler:
            names = {loader.dataset.chains.rows[i].id for i in indices}
            kinds = {split for split in ("train", "validation") if names & {row.id for row in chains(split).rows}}
            assert len(kinds) == 1
            sources |= kinds
    assert sources == {"train", "validation"}
    assert data.val_dataloader() == []
    codes = loader.dataset.chains.clusters
    assert len(set(codes.tolist())) == len(set(chains("train").clusters)) + len(set(chains("validation").clusters))
