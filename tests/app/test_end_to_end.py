"""The command as users start it, with a real network that is as small as they come."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "gm_multimodal", "design", "length=20", "batch_size=2", "threads=1"]


def start(checkpoint: Path, folder: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, f"checkpoint={checkpoint}", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def finish(checkpoint: Path, folder: Path, *options: str) -> tuple[int, str, str]:
    process = start(checkpoint, folder, *options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def digests(folder: Path) -> dict[str, str]:
    files = [path for pattern in ("*.pdb", "*.fasta") for path in folder.glob(pattern)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole_run(tiny_checkpoint, tmp_path_factory) -> Path:
    """Twelve designs in one go."""
    folder = tmp_path_factory.mktemp("whole")
    code, _, err = finish(tiny_checkpoint, folder, "num_designs=12", "steps=40", "out=run")
    assert code == 0, err
    return folder / "run"


def test_structures_and_sequences_read_back(whole_run):
    import biotite.structure.io.pdb as pdb
    import numpy as np
    from biotite.sequence import ProteinSequence

    records = (whole_run / "designs.fasta").read_text().splitlines()
    for index, file in enumerate(sorted(whole_run.glob("*.pdb"))):
        atoms = pdb.PDBFile.read(file).get_structure(model=1)
        alpha = atoms[atoms.atom_name == "CA"]
        assert list(alpha.res_id) == list(range(1, 21))
        assert np.isfinite(atoms.coord).all()
        sequence = "".join(ProteinSequence.convert_letter_3to1(name) for name in alpha.res_name)
        assert records[2 * index].startswith(f">{file.stem} length=20 seed=0 ")
        assert records[2 * index + 1] == sequence


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_ends_in_the_same_bytes(whole_run, tiny_checkpoint, tmp_path, kill):
    options = ("num_designs=12", "steps=40", "out=run")
    process = start(tiny_checkpoint, tmp_path, *options)
    wait_for(tmp_path / "run" / "design_0001.pdb", process)
    process.send_signal(kill)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if kill == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "design_0011.pdb").exists()
    code, out, err = finish(tiny_checkpoint, tmp_path, *options)
    assert code == 0, err
    assert "12 designs in run" in out
    assert digests(tmp_path / "run") == digests(whole_run)


def test_a_design_does_not_depend_on_how_many_are_asked_for(whole_run, tiny_checkpoint, tmp_path):
    code, _, err = finish(tiny_checkpoint, tmp_path, "num_designs=3", "steps=40", "out=run")
    assert code == 0, err
    small, large = digests(tmp_path / "run"), digests(whole_run)
    assert all(small[f"design_000{index}.pdb"] == large[f"design_000{index}.pdb"] for index in range(3))


def test_a_design_imports_neither_lightning_nor_pandas(tiny_checkpoint, tmp_path):
    script = (
        "import sys; from gm_multimodal.app.cli import main; code = main(sys.argv[1:]); "
        "print(sorted({'lightning', 'pandas', 'pytorch_lightning'} & set(sys.modules))); sys.exit(code)"
    )
    arguments = ["length=20", "num_designs=1", "steps=1", "batch_size=1", f"out={tmp_path / 'run'}"]
    arguments.append(f"checkpoint={tiny_checkpoint}")
    result = subprocess.run([sys.executable, "-c", script, "design", *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_truncated_checkpoint_is_refused(run, tiny_checkpoint, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(tiny_checkpoint.read_bytes()[:-100])
    code, _, err = run("design", f"checkpoint={broken}")
    assert code == 2
    assert "broken.safetensors" in err
    assert len(err.splitlines()) == 1
    assert list((tmp_path / "here").iterdir()) == []


def test_a_missing_checkpoint_is_refused(run, tmp_path):
    code, _, err = run("design", "checkpoint=missing.safetensors")
    assert code == 2
    assert "checkpoint=missing.safetensors" in err
    assert len(err.splitlines()) == 1
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("process.sequence.temperature=hot", "MaskingCTMC"),
        ("+process.sequence.colour=red", "colour"),
        ("process.sequence._target_=os.system", "os.system"),
        ("process.translations._target_=gm_multimodal.processes.ctmc.MaskingCTMC", "MaskingCTMC"),
        ("+process.torsions._target_=gm_multimodal.processes.flow.Flow", "torsions"),
    ],
)
def test_processes_that_do_not_fit_are_refused(run, tiny_checkpoint, option, message):
    code, _, err = run("design", f"checkpoint={tiny_checkpoint}", "length=20", "num_designs=1", option)
    assert code == 2, err
    assert message in err
    assert len(err.splitlines()) == 1


def test_trajectories_run_from_noise_to_the_design(run, tiny_checkpoint, tmp_path):
    import biotite.structure.io.pdb as pdb
    import numpy as np

    code, _, err = run(
        "design",
        f"checkpoint={tiny_checkpoint}",
        "length=20",
        "num_designs=1",
        "steps=5",
        "trajectories=true",
        "out=run",
    )
    assert code == 0, err
    folder = tmp_path / "here" / "run"
    models = pdb.PDBFile.read(folder / "trajectories" / "design_0000.pdb").get_structure()
    assert models.stack_depth() == 6
    final = pdb.PDBFile.read(folder / "design_0000.pdb").get_structure(model=1)
    last = models[-1]
    backbone = final[np.isin(final.atom_name, last.atom_name)]
    assert np.abs(last.coord - backbone.coord).max() < 2e-3


def test_doctor_finds_all_well(run, tiny_checkpoint):
    code, out, err = run("doctor", f"checkpoint={tiny_checkpoint}")
    assert code == 0, err
    for word in ("torch", "e3nn", "biotite", "lightning", "hydra-core", "python", "platform", "threads", "digest"):
        assert word in out
    assert "trained on 20-30 residues" in out


def test_doctor_says_everything_before_it_refuses(run):
    code, out, err = run("doctor", "checkpoint=missing", "device=cpu")
    assert code == 2
    assert "checkpoint=missing" in err
    assert "torch" in out and "Everything works" not in out


def test_doctor_names_a_missing_package(run, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("gm_multimodal.app.doctor.command._PACKAGES", ("torch", "no-such-package"))
    code, _, err = run("doctor", f"checkpoint={tiny_checkpoint}")
    assert code == 2
    assert "no-such-package is not installed" in err
