"""Every process that `design` offers runs with the shipped checkpoint, and does something else than the flow."""

import pytest

from gm_multimodal.app.cli import main
from gm_multimodal.protein.structure import read_backbone

CHOICES = [
    ["process/rotations=jump"],
    ["process/rotations=superposition"],
    ["process/rotations=superposition", "jump_weight=0.25"],
    ["process/rotations=superposition", "process.rotations.jump_weight=[1,0]"],
    ["process/rotations=superposition", "process.rotations.marginal=sample"],
    ["process/rotations=plug-in"],
    ["process/translations=langevin"],
]


def run(out, *overrides: str) -> int:
    return main(
        ["design", "length=24", "num_designs=2", "batch_size=2", "steps=4", "threads=1", f"out={out}", *overrides]
    )


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    out = tmp_path_factory.mktemp("flow")
    assert run(out) == 0
    return (out / "design_0001.pdb").read_text()


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_a_process_designs_something_else_than_the_flow(choice, flow, tmp_path):
    assert run(tmp_path / "a", *choice) == 0
    found = (tmp_path / "a" / "design_0001.pdb").read_text()
    (chain,) = read_backbone(tmp_path / "a" / "design_0001.pdb")
    assert chain.coordinates.shape == (24, 4, 3)
    assert found.splitlines()[-5:] != flow.splitlines()[-5:]
    assert run(tmp_path / "b", *choice, "num_designs=1") == 0  # rows are their own in any company
    first = [(tmp_path / folder / "design_0000.pdb").read_bytes() for folder in "ab"]
    assert first[0] == first[1]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (["process/rotations=superposition", "jump_weight=1.5"], "jump_weight=1.5 is not from 0 to 1"),
        (["process/rotations=superposition", "process.rotations.jump_weight=[1,2]"], "sum 1 at all times"),
        (["process/translations=langevin", "process.translations.strength=-1"], "strength is -1"),
    ],
)
def test_settings_without_meaning_are_refused(choice, message, tmp_path, capsys):
    assert run(tmp_path / "x", *choice) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
