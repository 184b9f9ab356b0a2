"""A network of the user's own, named on the command line, is trained and designs: from the folder where it lies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

ROOT = Path(__file__).parents[2]
PACKAGE = """
from torch import nn
from gm_multimodal.networks.frame_trunk import FrameTrunk
class MyNetwork(nn.Module):
    def __init__(self, width: int, depth: int = 1):
        super().__init__()
        rest = dict(heads=2, pair_width=8, transition=2, types=20, components=4)
        self.trunk = FrameTrunk(width=width, layers=depth, **rest)
    def forward(self, *arguments):
        return self.trunk(*arguments)
"""
# What pip writes as the command: Python looks for modules in its folder, not in the current one.
COMMAND = "import sys\nfrom gm_multimodal.app.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
TRAIN = (
    *("train", f"data={ROOT / 'data' / 'chains_small.parquet'}", "network=small", "network.width=16", "threads=1"),
    *("trainer.max_steps=1", "trainer.val_check_interval=1", "trainer.limit_val_batches=1", "trainer.accelerator=cpu"),
    *("residues_per_batch=160", "max_coil=null", "network._target_=my_package.MyNetwork"),
)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "here").mkdir()
    (folder / "here" / "my_package.py").write_text(PACKAGE)
    (folder / "bin").mkdir()
    (folder / "bin" / "gm-multimodal").write_text(COMMAND)
    return folder / "here"


def command(here: Path, *arguments: str) -> tuple[int, str]:
    call = [sys.executable, str(here.parent / "bin" / "gm-multimodal"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=here, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


def test_a_class_of_the_users_own_trains_and_designs(here):
    code, err = command(here, *TRAIN, "+network.depth=2", "out=own")
    assert code == 0, err
    with safe_open(here / "own" / "model.safetensors", framework="pt") as file:
        network = json.loads(file.metadata()["config"])["network"]
    assert network == {"_target_": "my_package.MyNetwork", "width": 16, "depth": 2}
    design = ("design", "checkpoint=own/model.safetensors", "length=20", "num_designs=1", "steps=2", "threads=1")
    code, err = command(here, *design, "out=refused")
    assert code == 2
    assert "my_package.MyNetwork is not a class of gm_multimodal" in err
    code, err = command(here, *design, "out=designs", "allow_code=true")
    assert code == 0, err
    assert (here / "designs" / "design_0000.pdb").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["network.heads=2"], "unexpected keyword argument 'heads'"),
        (["network.depth=2"], "added by +network.depth=VALUE"),
        (["network._target_=my_package.Absent"], "my_package.Absent cannot be imported"),
        (["network._target_=absent.Network"], "absent.Network cannot be imported"),
    ],
)
def test_what_a_class_does_not_take_is_said(here, arguments, message):
    code, err = command(here, *TRAIN, *arguments, "out=refused")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_what_is_installed_is_found_before_what_lies_here(here, tmp_path):
    (here / "yaml.py").write_text("open('ran', 'w').close()")
    code, err = command(here, *TRAIN, "out=first")
    assert code == 0, err
    assert not (here / "ran").exists()
