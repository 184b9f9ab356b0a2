"""What `design` promises of its run folder, with a sampler that costs nothing."""

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gm_multimodal.app.design.table import best_of

ARGUMENTS = ("design", "length=20", "steps=2", "batch_size=4", "out=run")


def digests(folder: Path, pattern: str = "**/*") -> dict[str, str]:
    """Digest of every file but the table, whose seconds are exempt, and the record, which states num_designs."""
    files = [path for path in folder.glob(pattern) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("designs.csv", "config.yaml")
    }


def table(folder: Path) -> list[str]:
    """The lines of the table without their seconds."""
    return [line.rpartition(",")[0] for line in (folder / "designs.csv").read_text().splitlines()]


def test_a_run_leaves_what_it_says(run, sampler, tmp_path):
    code, out, _ = run(*ARGUMENTS, "num_designs=5", "seed=7")
    folder = tmp_path / "here" / "run"
    assert code == 0
    structures = [f"design_{index:04d}.pdb" for index in range(5)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml",
        *structures,
        "designs.csv",
        "designs.fasta",
    ]
    assert sampler.blocks == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert "5 designs in run (5 computed now)" in out
    assert "design_0000.pdb" in out
    record = yaml.safe_load((folder / "config.yaml").read_text())
    assert record["device"] == "cpu" and isinstance(record["threads"], int) and "out" not in record
    assert record["made_with"]["checkpoint_digest"] == "0" * 16
    sequences = [line.split(",")[3] for line in table(folder)[1:]]
    assert (folder / "designs.fasta").read_text().splitlines()[1::2] == sequences


def test_only_the_run_folder_is_written(run, sampler, tmp_path):
    run("design", "length=20", "num_designs=1", "seed=3")
    here = tmp_path / "here"
    assert [path.relative_to(here) for path in here.glob("*/*")] == [Path("designs/length20_seed3")]
    assert [path.name for path in here.iterdir()] == ["designs"]


def test_repeating_computes_nothing_and_changes_nothing(run, sampler, tmp_path):
    run(*ARGUMENTS, "num_designs=5")
    folder = tmp_path / "here" / "run"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, out, err = run(*ARGUMENTS, "num_designs=5")
    assert (code, len(sampler.blocks), err) == (0, 2, "")
    assert "(0 computed now)" in out
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("options", [(), ("trajectories=true",), ("format=cif",)], ids=str)
def test_designs_are_the_same_however_the_run_came_about(run, sampler, tmp_path, options):
    run(*ARGUMENTS, *options, "num_designs=9", "out=whole")
    run(*ARGUMENTS, *options, "num_designs=3", "out=grown")
    run(*ARGUMENTS, *options, "num_designs=9", "out=grown")
    sampler.fail_at = len(sampler.blocks) + 1
    assert run(*ARGUMENTS, *options, "num_designs=9", "out=stopped")[0] == 130
    sampler.fail_at = None
    run(*ARGUMENTS, *options, "num_designs=9", "out=stopped")
    whole, grown, stopped = (tmp_path / "here" / name for name in ("whole", "grown", "stopped"))
    assert len(digests(whole)) == (19 if options == ("trajectories=true",) else 10)
    assert digests(whole) == digests(grown) == digests(stopped)
    assert table(whole) == table(grown) == table(stopped)


def test_only_blocks_with_something_missing_are_computed(run, sampler, tmp_path):
    run(*ARGUMENTS, "num_designs=12")
    folder = tmp_path / "here" / "run"
    before = digests(folder)
    rows = (folder / "designs.csv").read_text()
    (folder / "design_0005.pdb").unlink()
    (folder / "designs.fasta").unlink()
    sampler.blocks.clear()
    untouched = (folder / "design_0004.pdb").stat().st_mtime_ns
    run(*ARGUMENTS, "num_designs=12")
    assert sampler.blocks == [[4, 5, 6, 7]]
    assert digests(folder) == before
    assert (folder / "design_0004.pdb").stat().st_mtime_ns == untouched
    assert (folder / "designs.csv").read_text().splitlines()[1:6] == rows.splitlines()[1:6]


@pytest.mark.parametrize("crash_in", ["write_structure", "RunFolder.write_tables"])
def test_a_crash_between_writes_loses_nothing(run, sampler, tmp_path, monkeypatch, crash_in):
    from gm_multimodal.app.design import command as design

    run(*ARGUMENTS, "num_designs=6", "out=whole")
    owner, _, name = f"gm_multimodal.app.design.command.{crash_in}".rpartition(".")
    original = getattr(design.RunFolder, name, None) or getattr(design, name)
    calls = []

    def crash(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise SystemError("power cut")
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(f"{owner}.{name}", crash)
        assert run(*ARGUMENTS, "num_designs=6")[0] == 1
    assert run(*ARGUMENTS, "num_designs=6")[0] == 0
    assert digests(tmp_path / "here" / "run") == digests(tmp_path / "here" / "whole")


def test_fewer_designs_leave_the_others_and_say_so(run, sampler, tmp_path):
    run(*ARGUMENTS, "num_designs=6")
    before = digests(tmp_path / "here" / "run")
    _, out, _ = run(*ARGUMENTS, "num_designs=2")
    assert "2 designs in run (0 computed now; 4 more were there and stay)" in out
    assert digests(tmp_path / "here" / "run") == before


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("seed=1", "seed: 0 -> 1"),
        ("length=21", "length: 20 -> 21"),
        ("batch_size=2", "batch_size: 4 -> 2"),
        ("format=cif", "format: pdb -> cif"),
        ("checkpoint=other", f"made_with.checkpoint_digest: {'0' * 16} -> {'1' * 16}"),
        ("sequence_temperature=0.5", "process.sequence.temperature: 0.2 -> 0.5"),
        ("process.sequence.order=random", "process.sequence.order: purity -> random"),
        ("threads=7", "-> 7"),
    ],
)
def test_another_configuration_is_refused(run, sampler, tmp_path, option, shown):
    import torch

    threads = torch.get_num_threads()
    run(*ARGUMENTS, "num_designs=1")
    before = digests(tmp_path / "here" / "run")
    try:
        code, _, err = run(*ARGUMENTS, "num_designs=1", option)
    finally:
        torch.set_num_threads(threads)
    assert code == 2
    assert shown in err
    assert len(sampler.blocks) == 1
    assert digests(tmp_path / "here" / "run") == before


TEMPERATURES = {
    "sequence_temperature=0.7": "0.7",
    "process.sequence.temperature=0.7": "0.7",
    "process.sequence.temperature=1": "1",
    "~process.sequence.temperature": "1.0",  # what the class says
    "seed=0": "0.2",
}
SUPERPOSITION = "process/rotations=superposition"
JUMPS = {
    SUPERPOSITION: "0.5",
    f"{SUPERPOSITION} jump_weight=0.3": "0.3",
    f"{SUPERPOSITION} process.rotations.jump_weight=0.3": "0.3",
    f"{SUPERPOSITION} process.rotations.jump_weight=[1,0]": "[1, 0]",
    "seed=0": None,
}


def remarks(folder: Path) -> str:
    lines = (folder / "design_0000.pdb").read_text().splitlines()
    return " ".join(line[10:].strip() for line in lines if line.startswith("REMARK"))


@pytest.mark.parametrize("options", TEMPERATURES)
def test_files_say_the_temperature_that_the_run_had(run, sampler, tmp_path, options):
    code, _, err = run("design", "length=20", "num_designs=1", "out=run", *options.split())
    assert code == 0, err
    folder = tmp_path / "here" / "run"
    assert f"STEPS 50, SEQUENCE TEMPERATURE {TEMPERATURES[options]} " in remarks(folder)
    record = yaml.safe_load((folder / "config.yaml").read_text())
    if "temperature" in record["process"]["sequence"]:
        assert record["sequence_temperature"] == record["process"]["sequence"]["temperature"]
        assert str(record["sequence_temperature"]) == TEMPERATURES[options]


@pytest.mark.parametrize("options", JUMPS)
def test_files_say_the_weight_of_jumps_that_the_run_had(run, sampler, tmp_path, options):
    code, _, err = run("design", "length=20", "num_designs=1", "out=run", *options.split())
    assert code == 0, err
    folder, weight = tmp_path / "here" / "run", JUMPS[options]
    record = yaml.safe_load((folder / "config.yaml").read_text())
    if weight is None:
        assert "WEIGHT OF THE JUMP" not in remarks(folder)
        assert record["jump_weight"] == 0.5
    else:
        assert f"WEIGHT OF THE JUMP {weight} " in remarks(folder)
        assert str(record["jump_weight"]) == weight


def test_a_process_without_temperature_has_none_in_its_files(run, sampler, tmp_path, monkeypatch):
    (tmp_path / "own_process.py").write_text(
        "from gm_multimodal.processes.ctmc import MaskingCTMC\n"
        "class Own:\n"
        "    def __init__(self, process): self.process = process\n"
        "    def __getattr__(self, name):\n"
        "        if name in ('process', 'temperature'): raise AttributeError(name)\n"
        "        return getattr(self.process, name)\n"
        "def own(path): return Own(MaskingCTMC(path))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    code, _, err = run("design", "length=20", "num_designs=1", "out=run", "process.sequence._target_=own_process.own")
    assert code == 0, err
    assert "STEPS 50 " in remarks(tmp_path / "here" / "run")


def test_a_run_of_an_earlier_version_is_continued(run, sampler, tmp_path):
    """It recorded the option of the command line even where the process had another value."""
    command = (*ARGUMENTS, "num_designs=1", "process.sequence.temperature=0.7")
    run(*command)
    record = tmp_path / "here" / "run" / "config.yaml"
    record.write_text(record.read_text().replace("sequence_temperature: 0.7", "sequence_temperature: 0.2"))
    assert run(*command)[0] == 0
    assert len(sampler.blocks) == 1


def test_an_unwritable_folder_is_refused_before_anything_is_computed(run, sampler, tmp_path):
    (tmp_path / "here" / "file").write_text("")
    code, _, err = run("design", "length=20", "out=file/run")
    assert code == 2
    assert "cannot write file" in err
    assert sampler.blocks == []


def test_an_interruption_says_how_to_continue(run, sampler):
    sampler.fail_at = 1
    code, _, err = run(*ARGUMENTS, "num_designs=6")
    assert code == 130
    assert err.splitlines()[-1] == (
        "gm-multimodal design: stopped with 4 of 6 designs in run; the same command continues."
    )


def test_a_length_outside_the_training_warns_in_one_line(run, sampler):
    code, _, err = run(*ARGUMENTS, "num_designs=1", "length=41")
    assert code == 0
    warnings = [line for line in err.splitlines() if "warning" in line]
    assert warnings == [
        "gm-multimodal design: warning: length 41 lies outside 20-40, the lengths that checkpoint base was trained on; "
        "look at the designs with care."
    ]


def test_a_sweep_writes_numbered_folders_and_goes_on_after_a_failure(run, sampler, tmp_path):
    code, _, err = run("design", "-m", "length=20,12,22", "num_designs=1")
    here = tmp_path / "here"
    assert code == 2
    assert err.count("length=12 is below 20") == 1
    assert sorted(str(path.relative_to(here)) for path in here.glob("*/*/*")) == [
        "designs/length20_seed0/0",
        "designs/length22_seed0/2",
    ]
    assert [path.name for path in here.iterdir()] == ["designs"]


def test_showing_the_configuration_computes_nothing(run, sampler, tmp_path):
    code, out, _ = run("design", "--cfg", "job", "--resolve", "length=33")
    assert code == 0
    assert yaml.safe_load(out)["out"] == "designs/length33_seed0"
    assert sampler.blocks == []
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("topic", ["searchpath", "defaults-tree", ""])
def test_hydra_says_what_it_knows(tmp_path, topic):
    """In a process of its own: Hydra shows it by the logging of the process."""
    given = ["design", "--info", *([topic] if topic else []), "length=33", "--config-dir", str(tmp_path)]
    call = [sys.executable, "-m", "gm_multimodal", *given]
    out = subprocess.run(call, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert {"searchpath": tmp_path.name, "defaults-tree": "process/rotations: flow", "": "length: 33"}[topic] in out
    assert list(tmp_path.iterdir()) == []


def test_a_main_file_of_ones_own_may_be_brought(run, sampler, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "short.yaml").write_text("defaults:\n  - design\n  - _self_\nlength: 21\n")
    given = ("--config-dir", str(mine), "--config-name", "short", "num_designs=1")
    assert run("design", *given, "out=mine")[0] == 0
    assert run("design", "-m", *given, "seed=3,4", "out=ours")[0] == 0
    for folder in ("mine", "ours/0", "ours/1"):
        assert ranked(tmp_path / "here" / folder)[0]["length"] == "21"


def test_a_run_leaves_the_command_line_of_the_process_alone(run, sampler, monkeypatch):
    """Lightning starts the other processes of a training with it."""
    seen = []
    monkeypatch.setattr("sys.argv", ["as it was"])
    monkeypatch.setattr("gm_multimodal.app.design.command.summary", lambda *_: seen.append(sys.argv) or [])
    assert run("design", "length=20", "num_designs=1")[0] == 0
    assert run("design", "-m", "length=20,21", "num_designs=1", "out=many")[0] == 0
    assert seen == [["as it was"]] * 3


def test_own_config_groups_may_be_brought(run, sampler, tmp_path):
    folder = tmp_path / "mine" / "process" / "rotations"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text("_target_: gm_multimodal.processes.flow.Flow\n")
    code, _, err = run(*ARGUMENTS, "process/rotations=own", "num_designs=1", "--config-dir", str(tmp_path / "mine"))
    assert code == 0, err


def ranked(folder: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    return list(csv.DictReader((folder / "designs.csv").read_text().splitlines()))


def test_the_best_are_copied_in_their_order(run, sampler, tmp_path):
    code, out, _ = run(*ARGUMENTS, "num_designs=12", "keep_best=3")
    assert code == 0
    folder = tmp_path / "here" / "run"
    rows = sorted(ranked(folder), key=lambda row: (row["clashes"] != "0", -float(row["confidence"])))
    assert ranked(folder / "best") == rows[:3]
    files = {row["file"] for row in rows[:3]}
    assert {path.name for path in (folder / "best").iterdir()} == files | {"designs.csv", "designs.fasta"}
    for name in files:
        assert (folder / "best" / name).read_bytes() == (folder / name).read_bytes()
    sequences = (folder / "best" / "designs.fasta").read_text().splitlines()[1::2]
    assert sequences == [row["sequence"] for row in rows[:3]]
    assert "the best are in run/best" in out


def test_a_clash_outweighs_confidence_and_every_input_keeps_its_own_best():
    def row(name: str, clashes: int, confidence: float) -> dict[str, str]:
        return {"input": name, "clashes": str(clashes), "confidence": f"{confidence:.4f}"}

    rows = [row("a", 1, 0.9), row("b", 2, 0.1), row("a", 0, 0.2), row("b", 1, 0.3), row("a", 0, 0.4)]
    assert best_of(rows, 1) == [rows[4], rows[3]]
    assert best_of(rows, 2) == [rows[4], rows[2], rows[3], rows[1]]


def test_more_designs_renew_the_best(run, sampler, tmp_path):
    for _ in range(2):
        run(*ARGUMENTS, "num_designs=4", "keep_best=2", "out=grown")
    assert sum(map(len, sampler.blocks)) == 4
    run(*ARGUMENTS, "num_designs=16", "keep_best=2", "out=grown")
    run(*ARGUMENTS, "num_designs=16", "keep_best=2", "out=whole")
    here = tmp_path / "here"
    assert digests(here / "grown") == digests(here / "whole")
    assert table(here / "grown" / "best") == table(here / "whole" / "best")


def test_keeping_the_best_makes_eight_times_as_many(run, sampler, tmp_path):
    assert run(*ARGUMENTS, "keep_best=2")[0] == 0
    assert len(ranked(tmp_path / "here" / "run")) == 16
