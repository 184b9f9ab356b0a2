"""Small files that ask for gigabytes are refused by their size: one line, exit code 2, and little memory taken."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gm_multimodal.app.evaluate.known_figures import Kept
from gm_multimodal.app.folders.csv_table import read_table
from gm_multimodal.errors import UserInputError

sys.path.insert(0, str(Path(__file__).parent))
import bombs

MOST = 2_000_000_000
SMALL = "max_megabytes=100"  # in place of 1000, so that bombs are made quickly

# Runs command lines in one process and tells of each its exit code, its messages and the peak of memory until then.
RUNNER = """
import contextlib, io, json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, resource.RLIM_INFINITY))  # what breaks here spares the machine
except (ImportError, ValueError, OSError):
    resource = None
from gm_multimodal.app.cli import main

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    who = resource and (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) * unit if resource else 0

if __name__ == "__main__":
    for name, arguments in json.load(sys.stdin):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(arguments)
        print(json.dumps([name, code, said.getvalue(), peak()]), flush=True)
"""

# file -> what is said of it
REASONS = {
    "zeros.pdb.gz": "expands to more than 128 MB",
    "blanks.cif.gz": "expands to more than 128 MB",
    "zeros.bcif.gz": "expands to more than 128 MB",
    "in_disguise.pdb": "expands to more than 128 MB",
    "one_long_name.cif": "one of its values has 100000 letters",
    "one_long_text.cif": "one of its values has 89999 letters",
    "one_long_quote.cif": "one of its values has 100002 letters",
    "runs.bcif": "announces 2147483647 rows",
    "runs_of_no_size.bcif": "announces None rows",
    "packed.bcif": "announces 2000000000 rows",
    "many_columns.bcif": "takes more than 1024 MB decoded",
    "many_steps.bcif": "encodes a column 5001 times",
    "wide_texts.bcif": "takes more than 1024 MB decoded",
    "texts_over_each_other.bcif": "its texts overlap",
    "texts_in_texts.bcif": "encodes numbers as text",
    "deep.bcif": "cannot be read",
    "many_lists.bcif": "more than 1000000 parts",
    "announced_list.bcif": "exceeds max_array_len",
    "long_chain.pdb": "has a chain of 8000 residues, too long",
    "letters.fasta.gz": "expands to more than 128 MB",
    "records.fasta": "more than 100000 records",
    "one_chain.fasta": "more than 100000 letters",
    "many_rows.parquet": "unpacks to more than 100 MB",
    "long_names.parquet": "a value of 1000000 letters",
    "long_rows.parquet": "row group 1 may take 160 MB at once",
    "one_row.parquet": "row group 1 may take 112 MB at once",
    "lying_footer.parquet": "a page of column coordinates.list.element unpacks to 40 MB",
    "long_footer.parquet": "a footer of more than 16 MB",
    "idx_unpacked": "announces more than 100 MB",
    "idx_announced": "announces more than 100 MB",
    "npz_announced": "holds more than 100 MB",
    "npz_unpacked": "holds more than 100 MB",
    "npz_understated": "cannot be read as npz",
    "png_large": "announces 3000x3000 pixels",
    "png_announced": "announces 12000x12000 pixels",
    "jpeg_many": "54 pictures of the size of",
    "cifar_memo": "is not a Python batch",
    "cifar_text": "it is damaged or cut off",
    "cifar_bytes": "it is damaged or cut off",
    "cifar_lists": "more than 1000000 instructions",
    "cifar_shape": "shape (2147483647, 3072) with 6144 bytes",
    "cifar_objects": "an array of kind 'O8'",
    "header.safetensors": "a header of more than 10 MB",
    "tensor.safetensors": "cannot be read",
    "deep.safetensors": "without our metadata",
    "laughs": "repeats a part of itself by an alias",
    "deep": "nested too deeply",
    "large": "larger than 0.256 MB",
    "number": "cannot be read",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    said: str
    peak: int


def commands(folder: Path) -> dict[str, list[str]]:
    """Each command line under the name of its bomb, or of its command and its bomb."""
    made = {}
    for name in (name for name in bombs.STRUCTURES if name != "long_chain.pdb"):
        made[name] = ["design", "task=inverse_fold", f"structure={folder / name}", "validate=true"]
    for name in ("zeros.pdb.gz", "runs.bcif", "one_long_name.cif"):
        made[f"evaluate {name}"] = ["evaluate", f"designs={folder / name}", f"out=evaluated_{name}"]
    made["evaluate long_chain.pdb"] = ["evaluate", f"designs={folder / 'long_chain.pdb'}", "out=evaluated_chain"]
    made["prepare zeros.pdb.gz"] = ["prepare", f"structures={folder / 'zeros.pdb.gz'}", "out=prepared", "workers=1"]
    for name in bombs.SEQUENCES:
        made[name] = ["design", "task=fold", f"fasta={folder / name}", "validate=true"]
    for name in bombs.DATASETS:
        made[name] = ["train", f"data={folder / name}", "out=trained", SMALL, "threads=1"]
    dataset, design = folder / "many_rows.parquet", folder / "design.pdb"
    made["finetune many_rows.parquet"] = ["finetune", f"data={dataset}", "out=tuned", SMALL, "threads=1"]
    made["evaluate many_rows.parquet"] = ["evaluate", f"designs={design}", f"reference={dataset}", "max_megabytes=12"]
    for name in bombs.IMAGES:
        data = folder / name / "a.npz" if name.startswith("npz") else folder / name
        made[name] = ["images", "train", f"data={data}", "out=drawn", SMALL, "threads=1"]
    made["benchmark npz_announced"] = ["images", "benchmark", f"data={folder / 'npz_announced' / 'a.npz'}", SMALL]
    for name in bombs.CHECKPOINTS:
        made[name] = ["doctor", f"checkpoint={folder / name}"]
        made[f"sample {name}"] = ["images", "sample", f"checkpoint={folder / name}"]
    for name in bombs.RECORDS:
        made[name] = ["design", f"out={folder / name}", "checkpoint=base"]
        made[f"evaluate {name}"] = ["evaluate", f"designs={design}", f"out={folder / name}"]
    return made


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, data_folder) -> dict[str, Outcome]:
    """Write all bombs, and run all commands on them in one process."""
    folder = tmp_path_factory.mktemp("bombs")
    for files in (bombs.STRUCTURES, bombs.SEQUENCES, bombs.DATASETS, bombs.CHECKPOINTS):
        for name, make in files.items():
            (folder / name).write_bytes(make())
    for name, made in bombs.IMAGES.items():
        (folder / name).mkdir()
        for file, make in made.items():
            (folder / name / file).write_bytes(make())
    for name, content in bombs.RECORDS.items():
        (folder / name).mkdir()
        for record in ("config.yaml", "evaluation.yaml"):
            (folder / name / record).write_bytes(content)
    (folder / "design.pdb").write_bytes((data_folder / "3op9_A_6.pdb").read_bytes())
    script = folder / "runner.py"
    script.write_text(RUNNER)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script],
        input=json.dumps(list(commands(folder).items())),
        cwd=tmp_path_factory.mktemp("here"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: Outcome(*rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


def named(command: str) -> str:
    return command.split()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(Path("bombs")))
def test_a_bomb_is_refused_in_one_line(outcomes, command):
    outcome = outcomes[command]
    errors = [line for line in outcome.said.splitlines() if ": error: " in line]
    assert outcome.code == 2 and len(errors) == 1, outcome.said
    if command.startswith("prepare"):
        assert "no chain" in errors[0]
    else:
        assert REASONS[named(command)].replace("100 MB", "96 MB" if "evaluate" in command else "100 MB") in errors[0]
    assert "Traceback" not in outcome.said


@pytest.mark.slow
def test_no_bomb_takes_the_memory_that_it_asks_for(outcomes):
    assert set(REASONS) == {named(command) for command in outcomes}
    first = next((name for name, outcome in outcomes.items() if outcome.peak > MOST), None)
    assert first is None, f"{first}: {outcomes[first].peak / 1e6:.0f} MB"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (",".join(map(str, range(100_000))) + "\n" + "x\n" * 100_000, "it has 100000 columns"),
        ("a,b\n" + "1,2\n" * 200_001, "more than 200000 rows"),
        ("a,b\n" + "1" * 200_000 + ",2\n", "field larger than field limit"),
    ],
    ids=["columns", "rows", "cell"],
)
def test_a_table_is_bounded(tmp_path, content, reason):
    (tmp_path / "designs.csv").write_text(content)
    with pytest.raises(UserInputError, match=rf"designs\.csv is not a CSV table of such a run \(.*{reason}"):
        read_table(tmp_path / "designs.csv")


@pytest.mark.parametrize("line", ["[" * 100_000, '["a", [' + "[]," * 20_000 + "0]]", "[[1], 2]", "1", '["a", 1, 2]'])
def test_a_kept_figure_that_no_run_wrote_is_as_if_absent(tmp_path, line):
    (tmp_path / "kept.jsonl").write_text(f'["b", 1]\n{line}\n["c", 2]\n')
    kept = Kept(tmp_path / "kept.jsonl")
    assert not kept.has("a", lambda value: True) and (kept["b"], kept["c"]) == (1, 2)
