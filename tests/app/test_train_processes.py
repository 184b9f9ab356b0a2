"""Training on several processes: the same steps as on one that accumulates over as many batches."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

SMALL = Path(__file__).parents[2] / "data" / "chains_small.parquet"
COMMAND = (
    *(sys.executable, "-m", "gm_multimodal", "train", f"data={SMALL}", "threads=1", "residues_per_batch=160"),
    *("network=small", "network.width=32", "network.heads=2", "network.layers=1", "network.pair_width=8"),
    *("trainer.max_steps=8", "trainer.val_check_interval=2", "trainer.accelerator=cpu", "optimisation.warmup_steps=2"),
)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_train_as_one_on_the_same_global_batch(tmp_path: Path) -> None:
    """Eight steps over two epochs, in single precision: losses, weights and optimiser agree to rounding."""
    one = ("out=one", "trainer.accumulate_grad_batches=2", "trainer.limit_val_batches=2")
    two = ("out=two", "trainer.devices=2", "trainer.limit_val_batches=1")
    for layout in (one, two):
        subprocess.run([*COMMAND, *layout], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    tables = [pd.read_csv(tmp_path / run / "logs" / "version_0" / "metrics.csv") for run in ("one", "two")]
    curves = [table.filter(like="validation/").dropna() for table in tables]
    assert len(curves[0]) == 4
    torch.testing.assert_close(*(torch.tensor(curve.to_numpy()) for curve in curves), rtol=1e-5, atol=1e-6)
    assert curves[0]["validation/loss"].is_monotonic_decreasing
    states = [torch.load(tmp_path / run / "last.ckpt", weights_only=False) for run in ("one", "two")]
    for key in ("state_dict", "current_model_state"):
        for name, x in states[0][key].items():
            torch.testing.assert_close(states[1][key][name], x, rtol=1e-3, atol=1e-6)
    moments = [state["optimizer_states"][0]["state"] for state in states]
    for index, moment in moments[0].items():
        (name,) = {"exp_avg", "momentum_buffer"} & set(moment)  # of AdamW, of Muon
        torch.testing.assert_close(moments[1][index][name], moment[name], rtol=1e-3, atol=1e-5)
