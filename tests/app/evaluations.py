"""Settings of an evaluation without judges, for the tests."""

from gm_multimodal.app.evaluate.options import EvaluateConfig


def config(designs, out, **changes) -> EvaluateConfig:
    values = {"reference": None, "reference_split": "all", "most_compared": 300, "most_candidates": 8, "threads": 1}
    tools = {"protein_mpnn": False, "mpnn_sequences": 8, "likelihood": None, "esmfold": None, "fold_command": None}
    values |= tools | {"seed": 0, "max_megabytes": 128, "device": "cpu", "allow_code": False}
    return EvaluateConfig(designs=str(designs), out=str(out), **{**values, **changes})
