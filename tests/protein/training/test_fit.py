"""A real training of a few steps on real chains: what it writes, and that stopping and resuming leaves no trace."""

import itertools
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from gm_multimodal.protein.checkpoint import load_checkpoint
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.training.batches import Share
from gm_multimodal.training.callbacks import AveragedWeights
from gm_multimodal.training.data import Epochs, ResumableLoader
from gm_multimodal.training.optimisation import MuonOptimisation
from gm_multimodal.training.run import CURVE, LAST, RELEASED
from tests.protein.training.conftest import STEPS, TRAINER, VALIDATED


def test_a_training_writes_what_design_and_resuming_need(tmp_path, train, weights, config, make_module):
    module, seen = train(tmp_path)
    assert [step for step, _ in seen] == list(range(STEPS))
    assert {file.name for file in tmp_path.iterdir()} == {RELEASED, LAST, CURVE, "logs"}
    checkpoint = load_checkpoint(tmp_path / RELEASED)
    provenance = checkpoint.metadata["provenance"]
    assert provenance["steps"] == STEPS  # not a multiple of the validation interval
    assert provenance["data"] == "chains_small.parquet"
    assert set(provenance["losses"]) == {f"validation/{name}" for name in VALIDATED}
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
        data.trainer = SimpleNamespace(
            global_rank=rank, world_size=2, accumulate_grad_batches=1, global_step=0, max_steps=1
        )
        loaders.append(data.train_dataloader())
    shown = {}
    for epoch in range(3):
        for rank, loader in enumerate(loaders):
            shown[epoch, rank] = [batch.state["translations"].sum().item() for batch in loader]
            assert len(shown[epoch, rank]) == len(loaders[0])
    assert shown[0, 0] != shown[1, 0]
    assert not set(shown[0, 0]) & set(shown[0, 1])


class Numbered:
    """Epochs of four batches of eight rows: the number of a row tells epoch and batch."""

    def epoch(self, number: int) -> list[list[int]]:
        return [[100 * number + 10 * batch + row for row in range(8)] for batch in range(4)]


def test_epochs_follow_each_other_and_batches_are_dealt_in_parts_until_they_have_grown():
    parts = [4]
    epochs = Epochs(Numbered(), Share(), lambda: parts[0])
    first = list(epochs)
    assert first == [[0, 1], [2, 3], [4, 5], [6, 7]]  # the trainer's epoch has as many batches as the first whole one
    parts[0] = 2
    assert list(epochs) == [[10, 11, 12, 13], [14, 15, 16, 17], [20, 21, 22, 23], [24, 25, 26, 27]]
    parts[0] = 1
    assert list(epochs) == [[*range(30, 38)], [*range(100, 108)], [*range(110, 118)], [*range(120, 128)]]


def test_two_processes_take_in_turn_what_one_takes_alone():
    def three() -> int:
        return 3

    alone = list(Epochs(Numbered(), Share(accumulated=2), three))
    ranks = [list(Epochs(Numbered(), Share(rank, 2), three)) for rank in range(2)]
    assert [rows for pair in zip(*ranks, strict=True) for rows in pair] == alone


def test_a_batch_of_few_rows_has_no_more_parts_than_rows():
    epochs = Epochs(SimpleNamespace(epoch=lambda number: [[7, 8], [9]]), Share(), lambda: 4)
    assert list(epochs) + list(epochs) == [[7], [8], [9], [7]]


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_loader_goes_on_within_a_batch_that_is_dealt_in_parts(stop):
    def stream(epochs: Epochs, count: int) -> list[list[int]]:
        endless = itertools.chain.from_iterable(iter(epochs) for _ in itertools.count())
        return list(itertools.islice(endless, count))

    rows = SimpleNamespace(__getitem__=None)
    loaders = [ResumableLoader(rows, Epochs(Numbered(), Share(), lambda: 3)) for _ in range(3)]
    whole, first = stream(loaders[0].epochs, 15), stream(loaders[1].epochs, stop)
    loaders[2].load_state_dict(loaders[1].state_dict())
    assert first + stream(loaders[2].epochs, 15 - stop) == whole


def test_batches_double_at_their_share_of_the_steps(chains):
    data = ChainData(chains("train"), None, 600, 0, doubles_at=[0.25, 0.5])
    trainer = SimpleNamespace(global_rank=0, world_size=1, accumulate_grad_batches=1, global_step=0, max_steps=8)
    data.trainer = trainer
    epochs = data.train_dataloader().epochs
    parts = []
    for trainer.global_step in range(8):
        parts.append(epochs.parts())
    assert parts == [4, 4, 2, 2, 1, 1, 1, 1]


def test_growing_batches_leave_no_trace_of_an_interruption(tmp_path, train, weights):
    growing = {"doubles_at": [0.3, 0.6]}
    whole, batches = train(tmp_path / "whole", data=growing)
    _, first = train(tmp_path / "parts", stop_after=5, data=growing)
    resumed, second = train(tmp_path / "parts", data=growing)
    assert first + second == batches
    assert torch.equal(weights(resumed), weights(whole))


def test_muon_resumes_to_the_same_bytes(tmp_path, train, weights):
    def prepare(module):
        module.optimisation = MuonOptimisation(warmup_steps=2)

    whole, _ = train(tmp_path / "whole", prepare=prepare)
    train(tmp_path / "parts", stop_after=5, prepare=prepare)
    resumed, _ = train(tmp_path / "parts", prepare=prepare)
    assert torch.equal(weights(resumed), weights(whole))
    states = [torch.load(tmp_path / name / LAST, weights_only=True)["optimizer_states"] for name in ("whole", "parts")]
    assert str(states[0]) == str(states[1])
    kinds = [set(state) for state in states[0][0]["state"].values()]
    assert {"momentum_buffer"} in kinds and {"step", "exp_avg", "exp_avg_sq"} in kinds
    assert (tmp_path / "whole" / RELEASED).read_bytes() == (tmp_path / "parts" / RELEASED).read_bytes()


def test_the_curve_goes_on_where_the_training_does(tmp_path, train):
    train(tmp_path / "whole", data={"validates_fitted": True})
    train(tmp_path / "parts", stop_after=6, data={"validates_fitted": True})
    before = pd.read_csv(tmp_path / "parts" / CURVE)
    train(tmp_path / "parts", data={"validates_fitted": True})
    whole, parts = (pd.read_csv(tmp_path / name / CURVE) for name in ("whole", "parts"))
    assert parts.step.tolist() == [4, 6, 8, 12]  # the last step before a stop is validated, too
    assert before.cpu_hours[0] == parts.cpu_hours[0] > 0
    assert parts.cpu_hours.is_monotonic_increasing
    assert parts.residues_seen.is_monotonic_increasing
    for source in ("validation", "fitted"):
        assert {f"{source}/{name}" for name in VALIDATED} <= set(parts)
    assert not parts["fitted/loss"].equals(parts["validation/loss"])
    parts = parts[parts.step != 6].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole.drop(columns="cpu_hours"), parts.drop(columns="cpu_hours"))


def test_the_average_looks_back_over_a_tenth_of_the_training_but_not_further_than_it_may():
    """Weights that grow by one each step: the mean age of an average of decay d is d / (1 - d)."""
    averaged = AveragedWeights(decay=0.98)
    average = AveragedModel(torch.nn.Linear(1, 1, bias=False), multi_avg_fn=averaged._kwargs["multi_avg_fn"])
    current, ages = torch.nn.Linear(1, 1, bias=False).requires_grad_(False), []
    for step in range(1000):
        current.weight.fill_(step)
        average.update_parameters(current)
        ages.append(step - average.module.weight.item())
    assert ages[0] == 0
    assert ages[200] == pytest.approx(200 / 10, rel=0.15)
    assert ages[999] == pytest.approx(49, rel=0.02)


def test_a_training_in_mixed_precision_learns(tmp_path, train, weights, make_module):
    module, seen = train(tmp_path, precision="bf16-mixed")
    assert len(seen) == STEPS
    assert weights(module).isfinite().all()
    assert not torch.isclose(weights(module), weights(make_module()), atol=1e-3).all()
