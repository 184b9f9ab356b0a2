"""Compare what the commands of this checkout write with what those of an earlier commit wrote, byte by byte.

python scripts/benchmarks/same_bytes.py STRUCTURES FOLDER [--commit 164640b]

STRUCTURES is a folder of structure files. FOLDER keeps the earlier commit's clone and files: a second call runs only
this checkout. Sixteen designs (co-design, motif, partial, inverse folding), a preparation, twenty steps of
fine-tuning and pictures of a network trained for three steps. Left out: the seconds of a design, and files that hold
names of classes, versions, times or paths (config.yaml, logs, checkpoints' metadata; weights are compared), and what
has got another meaning since: secondary structure, and the shards of a preparation, whose names depend on it.
"""

import argparse
import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "164640b"  # the parent of the first commit that was to move no number
VARYING = {"seconds", "cpu_hours"}  # columns that no two runs share
REDEFINED = {"helix", "strand", "coil"}  # columns: by P-SEA before, by hydrogen bonds after
SKIPPED = {"config.yaml", "hydra.yaml", "overrides.yaml", "last.ckpt", "train.log", "secondary_structure.png"}
SKIPPED_FOLDERS = {"logs", ".hydra", "shards"}
FIRST = "design_0000.pdb"
DESIGN = ("num_designs=4", "batch_size=2", "steps=12", "threads=1", "device=cpu")
TRAINER = ("trainer.accelerator=cpu", "threads=1")


def commands(structures: Path) -> list[list[str]]:
    """Return the commands in the order in which they run; each may read what earlier ones wrote."""
    whole = f"structure=codesign/{FIRST}"
    return [
        ["design", "out=codesign", "length=128", "trajectories=true", *DESIGN],
        ["design", "out=motif", "task=motif", whole, "contig=10-20,A41-60,20-30", "format=cif", *DESIGN],
        ["design", "out=partial", "task=partial", whole, "fix=A5-12", "jump_weight=0.5", *DESIGN, *SUPERPOSED],
        ["design", "out=inverse", "task=inverse_fold", whole, "omit=C", "bias=A:-0.5", *DESIGN],
        ["prepare", f"structures={structures}", "out=prepared"],
        [
            "finetune",
            "data=prepared",
            "out=finetuned",
            "trainer.max_steps=20",
            "trainer.val_check_interval=10",
            *TRAINER,
        ],
        ["images", "train", "out=images", "trainer.max_steps=3", *TRAINER],
        ["images", "sample", "checkpoint=images/model.safetensors", "out=samples", "num_samples=8", "threads=1"],
    ]


SUPERPOSED = ("process/rotations=superposition", "process/translations=langevin")


def run(code: Path, structures: Path, folder: Path) -> None:
    """Run all commands with the code of a checkout; a folder that is complete is left as it is."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    for command in commands(structures):
        print(code.name, *command[:2], flush=True)
        python = [sys.executable, "-P", "-m", "gm_multimodal", *command]
        done = subprocess.run(python, cwd=partial, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr[-3000:]}")
    partial.rename(folder)


def content(file: Path) -> object:
    """Return what is compared of a file."""
    if file.suffix == ".safetensors":
        return {name: x.view(torch.uint8).numpy().tobytes() for name, x in load_file(file).items()}
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            return {name: arrays[name].tobytes() for name in arrays}
    if file.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
        return [{name: text for name, text in row.items() if name not in VARYING | REDEFINED} for row in rows]
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        return {name: table[name].to_pylist() for name in table.column_names if name not in REDEFINED}
    if file.name == "report.md":
        return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("Mean shares")]
    return file.read_bytes()


def compared(folder: Path) -> set[Path]:
    """Return the files of a run that are compared, relative to it."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return {file for file in files if file.name not in SKIPPED and not SKIPPED_FOLDERS & set(file.parts)}


def main() -> None:
    """Run what has not been run, compare, and exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path, help="folder of structure files")
    parser.add_argument("folder", type=Path, help="folder for the earlier code and the files of both")
    parser.add_argument("--commit", default=BEFORE, help="the earlier code")
    options = parser.parse_args()
    structures, folder = options.structures.resolve(), options.folder.resolve()
    code, before, after = folder / options.commit, folder / f"{options.commit}_files", folder / "files"
    if not code.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, code], check=True)
        subprocess.run(["git", "-C", code, "checkout", "--quiet", "--detach", options.commit], check=True)
    if not before.is_dir():
        run(code, structures, before)
    shutil.rmtree(after, ignore_errors=True)
    run(ROOT, structures, after)
    files = compared(before) | compared(after)
    differing = [file for file in sorted(files) if not is_same(before / file, after / file)]
    for file in differing:
        print(f"differs: {file}")
    print(f"{len(files) - len(differing)} of {len(files)} files are the same")
    sys.exit(bool(differing))


def is_same(before: Path, after: Path) -> bool:
    """Return whether both files exist and hold the same."""
    return before.is_file() and after.is_file() and content(before) == content(after)


if __name__ == "__main__":
    main()
