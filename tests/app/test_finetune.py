"""`gm-multimodal finetune`: what it writes, prints and refuses, a kill without warning, and designs of the result."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gm_multimodal.app.cli import main
from gm_multimodal.protein.checkpoint import load_checkpoint

SMALL = Path(__file__).parents[2] / "data" / "chains_small.parquet"
SHORT = (
    "trainer.max_steps=6",
    "trainer.val_check_interval=2",
    "trainer.limit_val_batches=1",
    "trainer.accelerator=cpu",
    "optimisation.learning_rate=3e-3",
    "residues_per_batch=160",
    "threads=1",
)


def arguments(out: Path, checkpoint: Path, *more: str) -> list[str]:
    return ["finetune", f"data={SMALL}", f"checkpoint={checkpoint}", f"out={out}", *SHORT, *more]


def provenance(out: Path) -> Mapping[str, Any]:
    return load_checkpoint(out / "model.safetensors").metadata["provenance"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    out = tmp_path_factory.mktemp("finetune") / "run"
    assert main(arguments(out, tiny_checkpoint, f"replay={SMALL}")) == 0
    return out


def test_the_checkpoint_tells_where_it_is_from_and_what_it_gained(tuned: Path, tiny_checkpoint: Path) -> None:
    said, parent = provenance(tuned), load_checkpoint(tiny_checkpoint)
    assert said["parent"]["name"] == tiny_checkpoint.name
    assert said["parent"]["digest"] == parent.digest
    assert said["parent"]["provenance"] == parent.metadata["provenance"]
    assert said["losses"]["validation/loss"] < said["losses_before"]["validation/loss"]
    assert said["data"] == SMALL.name
    assert said["replay"] == {"data": SMALL.name, "chains": 20, "share": 0.3}
    assert said["trainable"] == "all"
    assert load_checkpoint(tuned / "model.safetensors").config == parent.config


def test_design_takes_the_result(tuned: Path, tmp_path: Path) -> None:
    run = ["design", f"checkpoint={tuned / 'model.safetensors'}", f"out={tmp_path / 'd'}", "length=40", "steps=1"]
    assert main([*run, "num_designs=1", "batch_size=1", "device=cpu"]) == 0


def test_losses_before_and_after_are_printed_and_lengths_are_warned_of(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path / "run", tiny_checkpoint, "trainer.max_steps=2")) == 0
    out, err = capsys.readouterr()
    table = [line.split() for line in out.splitlines()]
    said = provenance(tmp_path / "run")
    for name in ("translations", "rotations", "sequence", "inverse_folding", "loss"):
        key = f"validation/{name}"
        assert [name, f"{said['losses_before'][key]:.3f}", f"{said['losses'][key]:.3f}"] in table
    assert "20 chains (20 clusters)" in out
    assert "20 of 20 chains lie outside 20-30 residues" in err


def test_a_dataset_too_small_to_split_is_said_to_be_and_used(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chains = pd.read_parquet(SMALL)
    chains[chains.split == "train"].iloc[:3].to_parquet(tmp_path / "few.parquet")
    assert main(arguments(tmp_path / "run", tiny_checkpoint, f"data={tmp_path / 'few.parquet'}")) == 0
    out = capsys.readouterr().out
    assert "goes on without validation, for all of 6 steps" in out
    assert "before" not in out
    assert provenance(tmp_path / "run")["steps"] == 6


def test_a_checkpoint_of_another_version_is_warned_of(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.safetensors"
    with safe_open(tiny_checkpoint, framework="pt") as file:
        save_file(load_file(tiny_checkpoint), old, file.metadata() | {"version": "0.0.1"})
    assert main(arguments(tmp_path / "run", old, "trainer.max_steps=1", "+trainer.enable_progress_bar=false")) == 0
    assert "written by version 0.0.1" in capsys.readouterr().err
    assert provenance(tmp_path / "run")["parent"]["version"] == "0.0.1"


def test_frozen_weights_are_those_of_the_checkpoint(tmp_path: Path, tiny_checkpoint: Path) -> None:
    assert main(arguments(tmp_path / "run", tiny_checkpoint, "trainable=heads")) == 0
    old, new = load_file(tiny_checkpoint), load_file(tmp_path / "run" / "model.safetensors")
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    heads = {"move", "move_norm", "head_norm", "log_scale", "components", "types_head"}
    assert all(heads & set(name.split(".")) for name in changed)
    assert provenance(tmp_path / "run")["trainable"] == "heads"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("network.width=64", "the network is that of the checkpoint"),
        ("product/rotations=geodesic", "product/rotations cannot be given to finetune"),
        ("trainable=some", "trainable=some is not one of all, heads"),
        ("patience=0", "patience=0 is below 1"),
        ("replay_share=1.0", "replay_share=1.0 is not between 0 and 1"),
        ("replay=nowhere.parquet", "nowhere.parquet does not exist"),
        ("data=nowhere.parquet", "nowhere.parquet does not exist"),
        ("checkpoint=nowhere", "neither a file nor a shipped checkpoint"),
        ("min_length=200", "length not in 200..256"),
        ("trainer.val_check_interval=0.5", "trainer.val_check_interval=0.5: give a whole number"),
        ("+trainer.accumulate_grad_batchez=2", "trainer.accumulate_grad_batches"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing_behind(
    override: str, said: str, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path / "run", tiny_checkpoint, override)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert override.startswith(("trainer", "+trainer")) or not (tmp_path / "run").exists()


def test_another_fine_tuning_cannot_continue_this_one(
    tuned: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (f"replay={SMALL}",)
    assert main(arguments(tuned, tiny_checkpoint, *more, "trainable=heads")) == 2
    assert "trainable: all -> heads" in capsys.readouterr().err
    assert main(arguments(tuned, tuned / "model.safetensors", *more)) == 2
    assert "checkpoint_digest: " in capsys.readouterr().err
    assert yaml.safe_load((tuned / "config.yaml").read_text())["trainable"] == "all"


def test_a_kill_without_warning_leaves_no_trace(tmp_path: Path, tiny_checkpoint: Path) -> None:
    """Killed after a state was written, started again: the same file as without interruption, bit by bit."""
    longer = ("trainer.max_steps=40", "trainer.val_check_interval=5", "patience=20")
    assert main(arguments(tmp_path / "whole", tiny_checkpoint, *longer)) == 0
    command = arguments(tmp_path / "parts", tiny_checkpoint, *longer)
    state, wait_until = tmp_path / "parts" / "last.ckpt", time.monotonic() + 120
    with subprocess.Popen([sys.executable, "-m", "gm_multimodal", *command], stderr=subprocess.DEVNULL) as process:
        while not state.is_file() and process.poll() is None and time.monotonic() < wait_until:
            time.sleep(0.01)
        process.kill()
    assert process.returncode not in (0, 1, 2)
    step = torch.load(state, weights_only=False)["global_step"]
    assert 5 <= step < 40
    assert main(command) == 0
    first = pd.read_csv(max((tmp_path / "parts" / "logs").glob("*/metrics.csv")))
    assert first["step"].min() >= step  # it went on from there
    released = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "parts")]
    assert released[0] == released[1]
    ends = [torch.load(tmp_path / run / "last.ckpt", weights_only=False) for run in ("whole", "parts")]
    moments = [json.dumps(end["optimizer_states"], default=lambda x: x.tolist()) for end in ends]
    assert moments[0] == moments[1]
    assert [end["global_step"] for end in ends] == [40, 40]
