"""`gm-multimodal train`: what it writes, what it refuses, and that `design` takes what it made."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from safetensors import safe_open

from gm_multimodal.app.cli import main
from gm_multimodal.app.train.chains import read_split
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.training.module import DesignModule

SMALL = Path(__file__).parents[2] / "data" / "chains_small.parquet"
TINY = ["network=small", "network.width=32", "network.heads=2", "network.layers=1"]
SHORT = [
    "trainer.max_steps=2",
    "trainer.val_check_interval=1",
    "trainer.limit_val_batches=1",
    "trainer.accelerator=cpu",
]


def train(out: Path, *more: str) -> int:
    return main(["train", f"data={SMALL}", f"out={out}", "threads=1", *TINY, *SHORT, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("train") / "run"
    assert train(out) == 0
    return out


def test_writes_a_checkpoint_that_says_what_it_is_and_that_design_takes(trained: Path, tmp_path: Path) -> None:
    with safe_open(trained / "model.safetensors", framework="pt") as file:
        provenance = json.loads(file.metadata()["provenance"])
    assert provenance["steps"] == 2
    assert provenance["residues_seen"] >= 40 * provenance["chains_seen"] >= 80
    assert set(provenance["losses"]) >= {f"validation/{k}" for k in ("translations", "rotations", "sequence")}
    assert 40 <= provenance["length_range"][0] <= provenance["length_range"][1] <= 80
    run = ["design", f"checkpoint={trained / 'model.safetensors'}", f"out={tmp_path / 'd'}", "length=20", "steps=1"]
    assert main([*run, "num_designs=1", "batch_size=1", "device=cpu"]) == 0


def test_redesigned_sequences_are_learned_and_judge_but_are_not_replayed(tmp_path: Path) -> None:
    chains, file = pd.read_parquet(SMALL), tmp_path / "redesigned.parquet"
    chains.assign(redesigned=["G" * length for length in chains.length]).to_parquet(file)
    filters = {"min_length": 40, "max_length": 128, "max_gyration_ratio": None, "max_coil": None, "max_megabytes": 1000}
    config = SimpleNamespace(data=str(file), sequences="redesigned", **filters)
    learned, judging = (read_split(config, split) for split in ("train", "validation"))
    replayed = read_split(config, "train", str(SMALL))
    for kept in (learned, judging):
        assert len(kept) and {letter for row in kept.rows for letter in decode(row.backbone.tokens)} == {"G"}
    real = dict(zip(chains.id, chains.sequence, strict=True))
    assert [decode(row.backbone.tokens) for row in replayed.rows] == [real[row.id] for row in replayed.rows]


def test_soft_targets_are_for_learning_alone(tmp_path: Path) -> None:
    chains, file = pd.read_parquet(SMALL), tmp_path / "soft.parquet"
    contexts = [[20] * length for length in chains.length]
    levels = [[255] * 20 * length for length in chains.length]
    chains.assign(soft_context=contexts, soft_levels=levels).to_parquet(file)
    filters = {"min_length": 40, "max_length": 128, "max_gyration_ratio": None, "max_coil": None, "max_megabytes": 1000}
    config = SimpleNamespace(data=str(file), sequences="soft", **filters)
    assert all(len(row.patterns) == 1 for row in read_split(config, "train").rows)
    assert not any(row.patterns for row in read_split(config, "validation").rows)
    assert not any(row.patterns for row in read_split(config, "train", str(SMALL)).rows)


def test_record_and_losses_stay_on_disk(trained: Path) -> None:
    assert yaml.safe_load((trained / "config.yaml").read_text())["network"]["width"] == 32
    header = (trained / "logs" / "version_0" / "metrics.csv").read_text().splitlines()[0]
    assert "validation/sequence" in header


def test_an_interruption_is_told_and_the_same_command_continues(tmp_path, monkeypatch, capsys) -> None:
    out, step = tmp_path / "run", DesignModule.training_step

    def interrupted(self, batch, index):
        if self.global_step == 3:
            raise KeyboardInterrupt
        return step(self, batch, index)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(DesignModule, "training_step", interrupted)
    assert train(out, "trainer.max_steps=4") == 130
    assert f"stopped after 3 steps in {out}; the same command continues." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) == before
    monkeypatch.setattr(DesignModule, "training_step", step)
    assert train(out, "trainer.max_steps=4") == 0


def test_another_network_cannot_continue_a_training(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(trained, "network.width=48") == 2
    assert "network.width: 32 -> 48" in capsys.readouterr().err


def test_a_command_that_could_not_start_leaves_nothing_behind(tmp_path: Path) -> None:
    for mistake in ("data=nowhere.parquet", "min_length=127", "network._target_=os.system"):
        assert train(tmp_path / "run", mistake) == 2
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.max_stepz=3", "trainer.max_steps"),
        ("+trainer.devicez=3", "trainer.devices"),
        ("+trainer.callbacks=[]", "trainer.callbacks is set by the training itself"),
        ("trainer.max_steps=-1", "give the number of steps"),
        ("data=nowhere.parquet", "nowhere.parquet does not exist"),
        ("min_length=200", "max_length"),
        ("self_conditioning=2", "self_conditioning=2.0 is not from 0 to 1"),
        ("ema_decay=-0.1", "ema_decay=-0.1 is not from 0 to 1"),
        ("sequences=mine", "sequences=mine is not one of native, redesigned, soft"),
        ("sequences=redesigned", "lacks the columns redesigned"),
        ("network._target_=os.system", "os.system"),
    ],
)
def test_mistakes_end_in_one_line(override: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "run", override) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
