"""Train for days from a copy of the code that no later commit changes, and take the weights out at any time.

python scripts/training/long_run.py start runs/base data=chains.parquet trainer.max_steps=120000 &
python scripts/training/long_run.py export runs/base base.safetensors

`start` clones this checkout at a commit into FOLDER/code and becomes the training, on one core; options are those of
`gm-multimodal train` (or `--command finetune`), and those of LONG unless given. The same command goes on after any
interruption, from a state that is written every 200 steps and takes the place of the one before only when it is
complete. FOLDER/run/curve.csv has a row for each validation. To pause and continue:

kill -STOP $(cat runs/base/pid); kill -CONT $(cat runs/base/pid)
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from gm_multimodal.files import write_atomically
from gm_multimodal.training.checkpoints import read_released, save_checkpoint
from gm_multimodal.training.run import LAST, RELEASED

ROOT = Path(__file__).resolve().parents[2]
LONG = [
    "threads=1",
    "ema_decay=0.9999",
    "validate_training=true",
    "trainer.accelerator=cpu",
    "trainer.val_check_interval=2000",
    "trainer.limit_val_batches=12",
    "+trainer.enable_progress_bar=false",
]
LARGEST = 16_000_000  # bytes of an exported checkpoint


def clone(folder: Path, commit: str) -> Path:
    """Return the code of a run: what is there already, or this checkout as it was committed."""
    code, partial = folder / "code", folder / "code.partial"
    if not code.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        found = subprocess.run(["git", "-C", ROOT, "rev-parse", commit], check=True, capture_output=True, text=True)
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, partial], check=True)
        subprocess.run(["git", "-C", partial, "checkout", "--quiet", "--detach", found.stdout.strip()], check=True)
        partial.rename(code)
    return code


def start(options: argparse.Namespace) -> None:
    """Become the training."""
    pid = options.folder / "pid"
    if os.name == "posix" and pid.is_file() and is_alive(int(pid.read_text())):
        sys.exit(f"Process {pid.read_text()} of {pid} is alive: stop it first, or delete the file if it is another.")
    code = clone(options.folder, options.commit)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    given = {option.lstrip("+").split("=")[0] for option in options.options}
    defaults = [option for option in LONG if option.lstrip("+").split("=")[0] not in given]
    # -P: the copy comes before the folder that this was called from.
    python = [sys.executable, "-P", "-m", "gm_multimodal", options.command]
    environment = os.environ | {"PYTHONPATH": str(code.resolve()), "OMP_NUM_THREADS": "1"}
    write_atomically(pid, str(os.getpid()))
    os.execve(python[0], [*python, f"out={options.folder / 'run'}", *defaults, *options.options], environment)


def is_alive(pid: int) -> bool:
    """Return whether there is a process of that number, other than this one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def export(options: argparse.Namespace) -> None:
    """Write the averaged weights of the last state as a released checkpoint."""
    run = options.folder / "run"
    if not (run / RELEASED).is_file():
        sys.exit(f"{run / RELEASED} is not there yet: it comes with the first validation, and says what weights are.")
    released, state = read_released(run / RELEASED), torch.load(run / LAST, map_location="cpu", weights_only=True)
    prefix = "network."
    weights = {name.removeprefix(prefix): x for name, x in state["state_dict"].items() if name.startswith(prefix)}
    counts = {"steps": state["global_step"], **state["callbacks"]["ReleaseWriter"]}
    save_checkpoint(options.file, weights, released.config, {**released.metadata["provenance"], **counts})
    size = options.file.stat().st_size
    if size > LARGEST:
        options.file.unlink()
        sys.exit(f"The network is too large: its weights take {size} bytes in bfloat16, and {LARGEST} are allowed.")
    print(f"{options.file}: step {counts['steps']}, {size / 1e6:.1f} MB")


def main() -> None:
    """Start, continue or export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    starting = commands.add_parser("start", help="start or continue the training, in the foreground")
    starting.set_defaults(function=start)
    starting.add_argument("folder", type=Path, help="folder of the run, ignored by git")
    starting.add_argument("options", nargs="*", help="options of the command")
    starting.add_argument("--command", choices=("train", "finetune"), default="train", help="finetune starts warm")
    starting.add_argument("--commit", default="HEAD", help="the code to train with, when the run begins")
    starting.add_argument("--core", type=int, default=0, help="processor core to stay on")
    exporting = commands.add_parser("export", help="write the averaged weights of the last state")
    exporting.set_defaults(function=export)
    exporting.add_argument("folder", type=Path, help="folder of the run")
    exporting.add_argument("file", type=Path, help="file to write, .safetensors")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
