"""Trainings that outlast a machine: a run from a copy of the code, its export, and states that travel in pieces."""

import importlib.util
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

SCRIPTS = Path(__file__).parents[2] / "scripts" / "training"
SMALL = Path(__file__).parents[2] / "data" / "chains_small.parquet"
TINY = ["network=small", "network.width=16", "network.heads=2", "network.layers=1", "network.pair_width=8"]
SHORT = ["trainer.max_steps=6", "trainer.val_check_interval=4", "trainer.limit_val_batches=1", "residues_per_batch=300"]


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


packed_run = script("packed_run")


def call(name: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_packing_keeps_backbones_to_half_a_hundredth_of_an_angstrom():
    for row in pd.read_parquet(SMALL).itertuples():
        before = np.asarray(row.coordinates).reshape(-1, 4, 3)
        after = packed_run.unpacked(packed_run.packed(before)).reshape(-1, 4, 3)
        moved = after - before - (after[0, 0] - before[0, 0])
        assert np.abs(moved[:, :3]).max() <= 0.0101
        # O of real chains is not exactly where its neighbours say; the last one is left on its C.
        assert np.median(np.linalg.norm(moved[:-1, 3], axis=-1)) < 0.2
        whole = np.round(100 * before).astype(np.int16)
        assert packed_run.packed(whole) == packed_run.packed(before)


@pytest.fixture
def state(tmp_path, monkeypatch) -> Path:
    """A folder with a state of 25 kB that is sent in pieces of 10 kB."""
    monkeypatch.setattr(packed_run, "PIECE", 10_000)
    run = tmp_path / "there" / "work" / "run"
    run.mkdir(parents=True)
    (run / "last.ckpt").write_bytes(np.random.default_rng(0).bytes(20_000))
    (run / "curve.csv").write_text("step\n4\n")
    return tmp_path / "there"


def send(folder: Path, out: Path, first: int, pieces: int) -> None:
    packed_run.send(Namespace(folder=folder, out=out, first=first, pieces=pieces))


def test_a_state_comes_back_in_pieces_that_make_it_again(state, tmp_path):
    send(state, tmp_path / "out", 0, 2)
    received, here = Namespace(received=tmp_path / "out", folder=tmp_path / "here"), tmp_path / "here" / "work" / "run"
    with pytest.raises(SystemExit, match=r"lacks piece_02"):
        packed_run.join(received)
    send(state, tmp_path / "out", 2, 2)
    packed_run.join(received)
    for name in ("last.ckpt", "curve.csv"):
        assert (here / name).read_bytes() == (state / "work" / "run" / name).read_bytes()
    assert (tmp_path / "out" / "curve.csv").read_text() == "step\n4\n"


def test_pieces_of_different_states_are_not_mixed(state, tmp_path):
    out = tmp_path / "out"
    send(state, out, 0, 9)
    first = json.loads((out / "pieces.json").read_text())["pieces"][0]
    (out / first).write_bytes(b"x" * 10_000)
    with pytest.raises(SystemExit, match=r"are not those of its pieces\.json"):
        packed_run.join(Namespace(received=out, folder=tmp_path / "here"))
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_a_packed_training_is_cut_off_and_goes_on(tmp_path):
    folder, out = tmp_path / "packed", tmp_path / "out"
    assert call("packed_run", "pack", "--longest", 80, SMALL, folder).returncode == 0
    options = [*TINY, *SHORT, "min_length=20", "trainer.accelerator=cpu", "trainer.precision=32-true"]
    for _ in range(2):
        done = call("packed_run", "run", "--out", out, "--minutes", 3, folder, *options)
        assert done.returncode == 0, done.stderr
    assert pd.read_csv(out / "curve.csv").step.tolist() == [4]
    weights = load_file(out / "model.safetensors")
    assert all(weight.dtype == torch.bfloat16 for weight in weights.values())
    cut = call("packed_run", "run", "--out", out, "--minutes", 0.01, folder, *options)
    assert cut.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not (SCRIPTS.parents[1] / ".git").exists(), reason="needs a git checkout")
def test_a_long_run_trains_from_its_own_copy_and_exports_its_average(tmp_path):
    folder = tmp_path / "long"
    file = tmp_path / "weights.safetensors"
    early = call("long_run", "export", folder, file)
    assert early.returncode == 1 and "first validation" in early.stderr
    options = [f"data={SMALL}", *TINY, *SHORT]
    done = call("long_run", "start", folder, *options)
    assert done.returncode == 0, done.stderr
    assert int((folder / "pid").read_text()) > 0
    assert (folder / "code" / "gm_multimodal" / "__init__.py").is_file()
    exported = call("long_run", "export", folder, file)
    assert "step 6" in exported.stdout, exported.stderr
    released, state = load_file(file), torch.load(folder / "run" / "last.ckpt", weights_only=True)["state_dict"]
    assert {f"network.{name}" for name in released} == {name for name in state if name.startswith("network.")}
    for name, weight in released.items():
        assert torch.equal(weight, state[f"network.{name}"].to(torch.bfloat16))
