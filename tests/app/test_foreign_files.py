"""Every command that writes a folder: one run at a time, links replaced, and what others wrote left alone."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gm_multimodal.app.cli import main
from gm_multimodal.app.folders.hold import only_run_in
from gm_multimodal.files import temporary_path
from gm_multimodal.images.quality import classifier

DATA = Path(__file__).parents[2] / "data"
TRAINER = ("trainer.max_steps=2", "trainer.val_check_interval=1", "trainer.limit_val_batches=1")
TRAINING = (f"data={DATA / 'chains_small.parquet'}", "threads=1", "residues_per_batch=160", *TRAINER)
SMALL = ("network=small", "network.width=16", "network.heads=2", "network.layers=1", "network.pair_width=8")
COMMANDS = {
    "design": ("length=20", "num_designs=2", "batch_size=2", "steps=2", "threads=1", "device=cpu"),
    "prepare": ("structures=structures", "workers=1", "test_share=0.2"),
    "train": (*TRAINING, *SMALL, "trainer.accelerator=cpu"),
    "finetune": (*TRAINING, "trainer.accelerator=cpu"),
    "evaluate": ("designs=structures", "threads=1"),
    "images train": ("unet.widths=[8,8]", "batch_size=32", "threads=1", *TRAINER),
    "images sample": ("calls=2", "num_samples=4", "sample_batch=4", "threads=1", "trajectory=true"),
    "images benchmark": ("samplers=flow", "calls=[2]", "num_samples=70", "sample_batch=70", "threads=1"),
}
WRITTEN = {
    "train": ("model.safetensors", "last.ckpt"),
    "finetune": ("model.safetensors", "last.ckpt"),
    "evaluate": ("metrics.csv", "summary.json", "report.html", "rejected.csv", "kept.jsonl"),
    "images train": ("model.safetensors", "last.ckpt"),
    "images sample": ("samples.npz", "samples.png", "trajectory.gif"),
}
"""Commands that begin in a folder that is not empty, and what they write there beside their record."""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def image_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    assert main(["images", "train", f"out={folder}", *COMMANDS["images train"]]) == 0
    return folder / "model.safetensors"


@pytest.fixture
def call(run, tiny_checkpoint: Path, image_checkpoint: Path, data_folder: Path, monkeypatch) -> Call:
    """Run a command as it stands above, in the folder `out`."""
    monkeypatch.setattr(classifier, "_LEAST_STEPS", 40)
    monkeypatch.setattr(classifier, "_EPOCHS", 0)
    Path("structures").mkdir()
    for name in ("3op9_A_6.pdb", "4kmf_A_1.pdb", "2zig_B_218.pdb"):
        shutil.copy(data_folder / name, "structures")
    checkpoints = {
        **dict.fromkeys(("design", "finetune"), tiny_checkpoint),
        **dict.fromkeys(("images sample", "images benchmark"), image_checkpoint),
    }

    def call(command: str, *more: str) -> tuple[int, str, str]:
        checkpoint = [f"checkpoint={checkpoints[command]}"] if command in checkpoints else []
        return run(*command.split(), *COMMANDS[command], *checkpoint, "out=out", *more)

    return call


def link(path: Path, target: Path) -> None:
    try:
        path.symlink_to(target.absolute())
    except OSError:
        pytest.skip("this system makes no links here")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_in_use_is_refused_and_left_alone(call: Call, command: str) -> None:
    with only_run_in(Path("out")):
        before = content(Path("out"))
        code, _, err = call(command)
        assert code == 2
        assert f"out is in use by another run (process {os.getpid()} on " in err.splitlines()[-1]
        assert content(Path("out")) == before


@pytest.mark.parametrize("command", WRITTEN)
def test_links_in_place_of_outputs_are_replaced(call: Call, command: str) -> None:
    Path("out").mkdir()
    Path("outside").mkdir()
    kinds = ("link", "dangling", "second name")
    for number, name in enumerate((*WRITTEN[command], ".gm-multimodal.lock")):
        target = Path("outside") / name
        kind = (
            "dangling" if name in ("last.ckpt", "kept.jsonl", "samples.npz") else kinds[number % 3]
        )  # these are read as well
        if kind != "dangling":
            target.write_text("precious")
        if kind == "second name":
            os.link(target, Path("out") / name)
        else:
            link(Path("out") / name, target)
    before = content(Path("outside"))
    code, _, err = call(command)
    assert code == 0, err
    for name in WRITTEN[command]:
        assert not (Path("out") / name).is_symlink() and (Path("out") / name).stat().st_nlink == 1
    assert content(Path("outside")) == before


@pytest.mark.parametrize("command", WRITTEN)
def test_a_file_of_others_in_place_of_an_output_is_named(call: Call, command: str) -> None:
    for name in WRITTEN[command]:
        shutil.rmtree("out", ignore_errors=True)
        Path("out").mkdir()
        (Path("out") / name).write_text("precious")
        code, _, err = call(command)
        assert code == 2
        assert str(Path("out") / name) in err and "move it away" in err.splitlines()[-1]
        assert content(Path("out")) == {str(Path("out") / name): b"precious"}


@pytest.mark.parametrize("command", COMMANDS)
def test_other_files_stay(call: Call, command: str) -> None:
    """In a folder of ours, by a run that continues it: what others put there, and what has nearly our names."""
    assert call(command)[0] == 0
    names = ("notes.txt", "notes.tmp", "mine.parquet", "mine.safetensors", "design.pdb", "config.yaml.17.tmp")
    folders = {path.parent for path in Path("out").rglob("*") if path.is_file()}
    for folder in folders:
        (folder / "mine").mkdir()
        for name in (*names, "mine/chains.parquet"):
            (folder / name).write_text("precious")
    leftover = temporary_path(Path("out") / ("evaluation.yaml" if command == "evaluate" else "config.yaml"))
    leftover.write_text("half")
    code, _, err = call(command)
    assert code == 0, err
    assert not leftover.exists()
    for folder in folders:
        assert all((folder / name).read_text() == "precious" for name in (*names, "mine/chains.parquet"))


SUBFOLDERS = {
    "design": ("trajectories", "best"),
    "prepare": ("shards",),
    "train": ("logs",),
    "images benchmark": ("samples", "grids"),
}


@pytest.mark.parametrize(("command", "name"), [(key, name) for key, names in SUBFOLDERS.items() for name in names])
def test_a_link_in_place_of_a_folder_of_ours_is_refused(call: Call, command: str, name: str) -> None:
    more = ("trajectories=true", "keep_best=1") if command == "design" else ()
    assert call(command, *more)[0] == 0
    shutil.rmtree(Path("out") / name)
    Path("outside").mkdir()
    (Path("outside") / "design_0000.pdb").write_text("precious")
    link(Path("out") / name, Path("outside"))
    if command == "images benchmark":
        (Path("out") / "table.csv").unlink()
    code, _, err = call(command, *more)
    assert code == 2
    assert f"{Path('out') / name}: it is a link" in err.splitlines()[-1]
    assert content(Path("outside")) == {str(Path("outside") / "design_0000.pdb"): b"precious"}


def test_links_in_a_run_of_designs_are_replaced(call: Call) -> None:
    assert call("design", "trajectories=true", "keep_best=1", "num_designs=2")[0] == 0
    Path("outside").mkdir()
    for name in ("designs.csv", "designs.fasta", "config.yaml", "best/designs.csv", "best/designs.fasta"):
        kept = Path("outside") / name.replace("/", " ")
        (Path("out") / name).rename(kept)
        link(Path("out") / name, kept)
    for name in ("design_0002.pdb", "trajectories/design_0002.pdb", "trajectories/design_0003.pdb"):
        link(Path("out") / name, Path("outside") / "absent")
    (Path("outside") / "mine").write_text("precious")
    os.link(Path("outside") / "mine", Path("out") / "design_0003.pdb")
    before = content(Path("outside"))
    code, _, err = call("design", "trajectories=true", "keep_best=2", "num_designs=4")
    assert code == 0, err
    assert content(Path("outside")) == before
    assert not [path for path in Path("out").rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("name", ["design_0002.pdb", "trajectories/design_0003.pdb"])
def test_a_structure_of_others_in_place_of_a_design_is_named_before_any_is_made(call: Call, name: str) -> None:
    assert call("design", "trajectories=true")[0] == 0
    shutil.copy(Path("structures") / "3op9_A_6.pdb", Path("out") / name)
    before = content(Path("out"))
    code, _, err = call("design", "trajectories=true", "num_designs=4")
    assert code == 2
    assert str(Path("out") / name) in err.splitlines()[-1]
    after = content(Path("out"))
    config = str(Path("out") / "config.yaml")
    assert {**after, config: b""} == {**before, config: b""}


def test_a_design_that_a_killed_run_left_without_its_row_is_made_again(call: Call) -> None:
    assert call("design", "format=cif")[0] == 0
    before = content(Path("out"))
    table = Path("out") / "designs.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:1]))
    assert call("design", "format=cif")[0] == 0
    seconds = {str(table): b""}
    assert content(Path("out")) | seconds == before | seconds


@pytest.mark.parametrize("place", ["../secret.pdb", "design_0001.pdb", ""])
def test_a_row_that_names_another_file_is_refused(call: Call, place: str) -> None:
    assert call("design")[0] == 0
    Path("secret.pdb").write_text("precious")
    table = Path("out") / "designs.csv"
    table.write_text(table.read_text().replace("design_0000.pdb", place))
    code, _, err = call("design", "keep_best=1", "num_designs=2")
    assert code == 2
    assert "designs.csv has a row that no run wrote" in err.splitlines()[-1]
    assert Path("secret.pdb").read_text() == "precious"


def test_files_of_others_among_the_best_stay(call: Call) -> None:
    assert call("design", "keep_best=2", "num_designs=3")[0] == 0
    best = Path("out") / "best"
    copy = min(best.glob("design_*.pdb"))
    (best / "design_0007.pdb").write_text("precious")
    copy.write_text("precious")
    code, _, err = call("design", "keep_best=2", "num_designs=3")
    assert code == 2
    assert str(copy) in err.splitlines()[-1]
    assert copy.read_text() == (best / "design_0007.pdb").read_text() == "precious"
    shutil.copy(Path("out") / copy.name, best)
    assert call("design", "keep_best=1", "num_designs=3")[0] == 0
    assert (best / "design_0007.pdb").read_text() == "precious"
    assert len(list(best.glob("design_000[012].pdb"))) == 1


@pytest.mark.parametrize("change", ["edited", "not a table"])
def test_a_dataset_of_others_in_place_of_ours_is_named(call: Call, change: str) -> None:
    assert call("prepare")[0] == 0
    dataset = Path("out") / "chains.parquet"
    if change == "edited":
        pd.read_parquet(dataset).assign(mine=1).to_parquet(dataset)
    else:
        dataset.write_text("precious")
    before = content(Path("out"))
    code, _, err = call("prepare")
    assert code == 2
    assert str(dataset) in err.splitlines()[-1]
    assert content(Path("out")) == before


def test_links_in_a_dataset_are_replaced(call: Call) -> None:
    assert call("prepare")[0] == 0
    Path("outside").mkdir()
    for path in [path for path in Path("out").iterdir() if path.is_file()]:
        path.rename(Path("outside") / path.name)
        link(path, Path("outside") / path.name)
    before = content(Path("outside"))
    (Path("structures") / "2zig_B_218.pdb").unlink()
    code, _, err = call("prepare")
    assert code == 0, err
    assert content(Path("outside")) == before
    assert not [path for path in Path("out").rglob("*") if path.is_symlink()]


def test_weights_of_others_in_place_of_the_released_are_named(call: Call, tmp_path: Path) -> None:
    assert call("finetune")[0] == 0
    released = Path("out") / "model.safetensors"
    released.write_text("precious")
    code, _, err = call("finetune", "trainer.max_steps=4")
    assert code == 2
    assert str(released) in err.splitlines()[-1]
    assert released.read_text() == "precious"


def test_logs_are_not_written_through_a_link(call: Call) -> None:
    logs = Path("out") / "logs"
    logs.mkdir(parents=True)
    Path("outside").mkdir()
    link(logs / "version_0", Path("outside"))
    link(logs / "version_1", Path("absent"))
    code, _, err = call("train")
    assert code == 0, err
    assert (logs / "version_2" / "metrics.csv").is_file()
    assert list(Path("outside").iterdir()) == [] and not Path("absent").exists()


@pytest.mark.slow
def test_a_training_that_runs_refuses_another_and_one_that_was_killed_does_not(run, tiny_checkpoint: Path) -> None:
    command = [
        "finetune",
        f"checkpoint={tiny_checkpoint}",
        "out=out",
        *COMMANDS["finetune"],
        "trainer.max_steps=100000",
    ]
    command += ["patience=100000", "trainer.val_check_interval=5"]
    first = subprocess.Popen(
        [sys.executable, "-m", "gm_multimodal", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not (Path("out") / "last.ckpt").exists():
            assert time.monotonic() < until and first.poll() is None
            time.sleep(0.05)
        code, _, err = run(*command)
        assert code == 2
        assert re.search(rf"out is in use by another run \(process {first.pid} on \S+, since .* UTC\)", err)
    finally:
        first.kill()
        first.wait()
    temporary_path(Path("out") / "last.ckpt").write_text("half")
    code, _, err = run(*command, "trainer.max_steps=1")
    assert code == 0, err
    assert not [*Path("out").glob("*.tmp"), *Path("out").glob(".gm*")]


def test_a_cell_of_a_benchmark_clears_what_a_killed_one_left(call: Call) -> None:
    assert call("images benchmark")[0] == 0
    (Path("out") / "table.csv").unlink()
    left = [temporary_path(Path("out") / name) for name in ("samples/flow_2_0.npz", "grids/flow_2_0.png")]
    for file in left:
        file.write_text("half")
    assert call("images benchmark")[0] == 0
    assert not any(file.exists() for file in left)
