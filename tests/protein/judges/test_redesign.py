"""The script that adds redesigned sequences to a dataset."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts" / "training"))

import redesign as script

from gm_multimodal.protein.dataset import backbone_of, read_chains


def test_a_row_of_two_chains_in_hundredths_is_redesigned_and_read_again(mpnn, small_dataset, tmp_path, monkeypatch):
    chains, file, out = pd.read_parquet(small_dataset).head(2), tmp_path / "chains.parquet", tmp_path / "out.parquet"
    integers = [np.round(100 * backbone_of(xyz)).astype(np.int16).ravel() for xyz in chains.coordinates]
    sizes = [[30, length - 30] for length in chains.length]
    chains.assign(coordinates=integers, chain_lengths=sizes).to_parquet(file)
    monkeypatch.setattr(
        sys, "argv", ["redesign.py", str(file), str(out), "--temperature", "0.4", "--gyration-ratio", "9"]
    )
    script.main()
    assert (tmp_path / "out_temperature0.4_seed0.csv").read_text().count("\n") == 2
    everything = {"split": None, "min_length": 1, "max_length": 1000}
    own, drawn = (read_chains(out, **everything, sequences=kind).rows for kind in ("native", "redesigned"))
    for first, second in zip((row.backbone for row in own), (row.backbone for row in drawn), strict=True):
        assert (first.tokens != second.tokens).mean() > 0.2
        np.testing.assert_array_equal(first.coordinates, second.coordinates)
        assert first.chain.max() == second.chain.max() == 1
    # nothing is drawn twice
    monkeypatch.setattr(script, "ProteinMPNN", SimpleNamespace)
    script.main()
