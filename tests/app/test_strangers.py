"""Files from strangers: whatever a checkpoint, a state, a record or a dataset says, nothing of it runs.

Each payload would leave a file behind if it ran, and each command ends in one line and exit code 2.
"""

import copy
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gm_multimodal.app.cli import main

SMALL = Path(__file__).parents[2] / "data" / "chains_small.parquet"
TRUNK = "gm_multimodal.networks.residue_trunk.ResidueTrunk"
CLOCK = "gm_multimodal.schedules.Window"
COMMANDS = {
    "design": lambda path: ["design", "length=20", "num_designs=1", "steps=2", f"checkpoint={path}"],
    "finetune": lambda path: ["finetune", f"data={SMALL}", f"checkpoint={path}", "out=tuned"],
    "evaluate": lambda path: ["evaluate", f"designs={SMALL.parent / '2zig_B_218.pdb'}", f"likelihood={path}", "out=e"],
    "doctor": lambda path: ["doctor", f"checkpoint={path}"],
}


def node(target: Any, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


def network(change: Any) -> Callable[[dict], None]:
    """A payload in place of the network, or as some of its arguments."""
    return lambda config: config.update(
        network=change if "_target_" in change or not isinstance(change, dict) else config["network"] | change
    )


def factor(name: str, **change: Any) -> Callable[[dict], None]:
    return lambda config: config["product"][name].update(change)


TOUCH = "touch ran"
CONFIGURATIONS: dict[str, Callable[[dict], Any]] = {
    "dotted name through files": network(node("gm_multimodal.files.os.system", command=TOUCH)),
    "dotted name through a judge": network(
        node("gm_multimodal.protein.judges.fold_command.subprocess.run", args=TOUCH, shell=True)
    ),
    "dotted name to torch.load": factor(
        "rotations", clock=node("gm_multimodal.protein.judges.protein_mpnn.torch.load", f="x", weights_only=False)
    ),
    "a plain name": network(node("os.system", command=TOUCH)),
    "a builtin": factor("sequence", process=node("builtins.exec", source="open('ran', 'w')")),
    "our own writer": network(node("gm_multimodal.files.write_atomically", path="ran", content="")),
    "our own runner": factor(
        "rotations", process=node("gm_multimodal.protein.judges.fold_command.FoldCommand._run", command=TOUCH)
    ),
    "our own builder": network(node("gm_multimodal.training.build.build", config=node("os.system", command=TOUCH))),
    "interpolation that creates": network({"width": "${oc.create:{_target_: os.system, command: touch ran}}"}),
    "interpolation that decodes": network({"width": "${oc.decode:'{_target_: os.system, command: touch ran}'}"}),
    "interpolation of the environment": factor("rotations", clock=node(CLOCK, clock="${oc.env:HOME}")),
    "nested in an argument": network({"layers": node("os.system", command=TOUCH)}),
    "nested in a clock": factor("rotations", clock=node(CLOCK, clock=node("os.system", command=TOUCH))),
    "nested beside a mistake": factor(
        "rotations", clock=node(CLOCK, clock=node("gm_multimodal.files.os.system", command=TOUCH), end="never")
    ),
    "nested in a list": factor(
        "rotations",
        process=node(
            "gm_multimodal.processes.superposition.Superposition",
            processes=[node("os.system", command=TOUCH)],
            weights=[1.0],
        ),
    ),
    "Hydra's arguments": network({"_args_": [TOUCH], "_partial_": True}),
    "text for a number": network({"width": "192"}),
    "a mapping for a number": network({"heads": {"a": 1}}),
    "a list for a name": network(node([TRUNK])),
    "text for a weight": factor("translations", weight="1"),
    "no finite number": factor("translations", weight=float("inf")),
    "width of 4,000": network({"width": 4000}),
    "600 layers": network({"layers": 600}),
    "a billion layers": network({"layers": 10**9}),
    "a number of 400 digits": network({"width": 10**400}),
    "a million components": network({"components": 10**6}),
    "a list without end": factor(
        "sequence", process=node("gm_multimodal.processes.ctmc.MaskingCTMC", background=[0.05] * 100_000)
    ),
    "another space": factor(
        "sequence",
        path=node(
            "gm_multimodal.paths.mixture.MixturePath",
            space=node("gm_multimodal.spaces.categorical.MaskedCategorical", size=4000),
        ),
    ),
    "a factor too few": lambda config: config["product"].pop("rotations"),
    "a factor too many": lambda config: config["product"].update(more=config["product"]["rotations"]),
    "a factor of text": lambda config: config["product"].update(rotations="flow"),
    "a tower of nodes": factor("rotations", clock=json.loads('{"clock":' * 500 + "1" + "}" * 500)),
}
WEIGHTS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "a tensor with a path for a name": lambda weights: weights.update({"../../ran": torch.zeros(2)}),
    "a tensor with an escape sequence for a name": lambda weights: weights.update({"\x1b]0;ran\x07": torch.zeros(2)}),
    "a tensor of another shape": lambda weights: weights.update({"embed.bias": torch.zeros(1, 17)}),
    "a tensor of whole numbers": lambda weights: weights.update(
        {"embed.bias": torch.zeros(weights["embed.bias"].shape, dtype=torch.int64)}
    ),
    "no numbers": lambda weights: weights.update({"embed.bias": torch.full_like(weights["embed.bias"], torch.nan)}),
    "no tensors": lambda weights: weights.clear(),
}
METADATA: dict[str, dict[str, str]] = {
    "lengths of text": {"provenance": '{"length_range": ["a", "b"]}'},
    "lengths without end": {"provenance": '{"length_range": [1, 1e400]}'},
    "lengths the wrong way round": {"provenance": '{"length_range": [60, 20]}'},
    "a tower of lists": {"provenance": "[" * 100_000 + "]" * 100_000},
    "no JSON": {"config": "!!python/object/apply:os.system ['touch ran']"},
    "a list of configurations": {"config": "[]"},
}


@pytest.fixture
def altered(tmp_path: Path, tiny_checkpoint: Path) -> Callable[..., Path]:
    """The small checkpoint with something else in it."""

    def alter(
        config: Callable[[dict], Any] | None = None,
        weights: Callable[[dict[str, torch.Tensor]], Any] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        with safe_open(tiny_checkpoint, "pt") as file:
            said = dict(file.metadata())
        tensors, content = load_file(tiny_checkpoint), copy.deepcopy(json.loads(said["config"]))
        if config is not None:
            config(content)
            said["config"] = json.dumps(content)
        if weights is not None:
            weights(tensors)
        path = tmp_path / "stranger.safetensors"
        save_file(tensors, path, said | (metadata or {}))
        return path

    return alter


def refused(result: tuple[int, str, str]) -> str:
    """The one line in which a command ended; nothing ran and nothing was left behind."""
    code, _, err = result
    lines = [line for line in err.splitlines() if "warning:" not in line]
    assert code == 2, err
    assert len(lines) == 1, err
    assert len(lines[0]) < 1000
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in lines[0])
    assert not Path("ran").exists()
    assert not any(Path().glob("designs/*/*.pdb"))
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("payload", CONFIGURATIONS)
def test_no_configuration_of_a_checkpoint_runs(run, altered, payload, command):
    line = refused(run(*COMMANDS[command](altered(config=CONFIGURATIONS[payload]))))
    assert "stranger.safetensors" in line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("payload", WEIGHTS)
def test_no_weights_of_a_stranger_are_taken_that_do_not_fit(run, altered, payload, command):
    line = refused(run(*COMMANDS[command](altered(weights=WEIGHTS[payload]))))
    assert "stranger.safetensors" in line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("payload", METADATA)
def test_no_metadata_of_a_stranger_is_taken_that_says_nothing(run, altered, payload, command):
    line = refused(run(*COMMANDS[command](altered(metadata=METADATA[payload]))))
    assert "stranger.safetensors" in line


def test_a_class_of_others_in_a_checkpoint_needs_a_word(run, altered, tmp_path, monkeypatch):
    (tmp_path / "their_package.py").write_text(
        "from gm_multimodal.networks.frame_trunk import FrameTrunk\n"
        "open('ran', 'w').close()\n"
        "def their_network(**arguments):\n"
        "    return FrameTrunk(**arguments)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = altered(
        config=lambda config: config.update(network=config["network"] | node("their_package.their_network"))
    )
    arguments = COMMANDS["design"](checkpoint)
    line = refused(run(*arguments))
    assert "their_package.their_network is not a class of gm_multimodal" in line
    assert "allow_code=true" in line
    assert run(*arguments, "allow_code=true")[0] == 0
    assert Path("ran").exists()


def test_a_class_of_the_users_own_is_named_on_the_command_line(run, tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(
        "from gm_multimodal.networks.frame_trunk import FrameTrunk\n"
        "from torch import nn\n"
        "class Own(nn.Module):\n"
        "    def __init__(self, **arguments):\n"
        "        super().__init__()\n"
        "        self.trunk = FrameTrunk(**arguments)\n"
        "    def forward(self, *arguments):\n"
        "        return self.trunk(*arguments)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    tiny = ("network=small", "network.width=16", "network.heads=2", "network.layers=1", "network.pair_width=8")
    short = ("trainer.max_steps=1", "trainer.val_check_interval=1", "trainer.limit_val_batches=1", "out=own")
    arguments = ["train", f"data={SMALL}", *tiny, *short, "trainer.accelerator=cpu", "max_coil=null", "threads=1"]
    code, _, err = run(*arguments, "network._target_=own_package.Own")
    assert code == 0, err
    assert "own_package.Own" in refused(run(*COMMANDS["design"]("own/model.safetensors")))

    # The same name in a file of configuration is not typed.
    folder = tmp_path / "theirs" / "network"
    folder.mkdir(parents=True)
    (folder / "theirs.yaml").write_text("_target_: own_package.Own\nwidth: 16\ncomponents: 4\n")
    given = [*arguments[:2], "--config-dir", str(folder.parent), "network=theirs", *arguments[7:], "out=theirs"]
    line = refused(run(*given))
    assert "_target_ own_package.Own stands in a configuration file" in line


def test_permission_that_stands_in_a_file_is_none(run, tmp_path):
    (tmp_path / "theirs.yaml").write_text("defaults:\n  - design\n  - _self_\nallow_code: true\n")
    line = refused(run("design", "--config-dir", str(tmp_path), "--config-name", "theirs", "length=20"))
    assert "allow_code=true stands in a configuration file" in line


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (TOUCH,)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, tiny_checkpoint) -> tuple[list[str], Path]:
    """The command of a training that can go on, and the folder of its run."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    short = ("trainer.max_steps=1", "trainer.val_check_interval=1", "trainer.limit_val_batches=1", "threads=1")
    command = [
        "finetune", f"data={SMALL}", f"checkpoint={tiny_checkpoint}", *short, "trainer.accelerator=cpu", f"out={out}"
    ]  # fmt: skip
    assert main(command) == 0
    return command, out / "last.ckpt"


def pickled(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def deflated(data: bytes) -> bytes:
    """The same archive, packed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return file.getvalue()


STATES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "a state that runs": lambda state: pickled({**state, "callbacks": _Payload()}),
    "a bare pickle": lambda state: pickle.dumps(_Payload()),
    "an object of ours": lambda state: pickled({**state, "loops": Path("ran")}),
    "no state": lambda state: pickled({}),
    "a list": lambda state: pickled([1, 2]),
    "weights of another network": lambda state: pickled({**state, "state_dict": {"network.x": torch.zeros(3)}}),
    "text for loops": lambda state: pickled({**state, "loops": "ran"}),
    "text": lambda state: b"not a state at all",
    "nothing": lambda state: b"",
    "zeros, packed": lambda state: deflated(pickled({**state, "more": torch.zeros(10**7)})),
    "half": lambda state: pickled(state)[:-2000],
}


@pytest.mark.parametrize("payload", STATES)
def test_no_state_of_a_training_runs(payload, stopped, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command, last = stopped
    before = last.read_bytes()
    last.write_bytes(STATES[payload](torch.load(last, weights_only=True)))
    try:
        code = main([*command, "trainer.max_steps=2"])
    finally:
        last.write_bytes(before)
    line = refused((code, *capfd.readouterr()))
    assert "last.ckpt cannot be resumed from" in line


def test_the_record_of_a_run_is_read_as_plain_values(run, tiny_checkpoint):
    folder = Path("mine")
    folder.mkdir()
    for content in (
        "made_with: !!python/object/apply:os.system ['touch ran']\n",
        "!!python/object/new:os.system [touch ran]\n",
        "made_with: !!python/name:os.system\n",
        "made_with: {checkpoint_digest: '${oc.env:HOME}'}\nprocess: {rotations: {_target_: os.system}}\n",
    ):
        (folder / "config.yaml").write_text(content)
        line = refused(run(*COMMANDS["design"](tiny_checkpoint), "out=mine"))
        assert "mine" in line


@pytest.mark.parametrize("count", ["many", "1.5", "-1", "[1]", "true", "1" + "0" * 300, "null"])
def test_a_record_that_asks_for_no_number_of_designs_is_refused(run, tiny_checkpoint, count):
    command = [*COMMANDS["design"](tiny_checkpoint), "out=mine"]
    assert run(*command)[0] == 0
    record = Path("mine/config.yaml")
    record.write_text(record.read_text().replace("num_designs: 1", f"num_designs: {count}"))
    assert "num_designs" in refused(run(*command))


@pytest.mark.parametrize("cell", ["high", "nan", "inf", "=1+1", "1e999"])
def test_a_table_with_other_things_than_figures_is_refused(run, tiny_checkpoint, cell):
    command = [*COMMANDS["design"](tiny_checkpoint), "out=mine"]
    assert run(*command)[0] == 0
    table = Path("mine/designs.csv")
    head, row = table.read_text().splitlines()
    cells = row.split(",")
    cells[head.split(",").index("confidence")] = cell
    table.write_text(f"{head}\n{','.join(cells)}\n")
    assert "confidence of row 1" in refused(run(*command))


@pytest.mark.parametrize(
    "value", ['"x"', "[1]", "[1, NaN]", '{"a": 1}', '[{"a": 1}]', "[[]]", "1e999", '[1e999, "x"]', "true"]
)
def test_kept_figures_that_no_run_wrote_are_computed_again(run, value):
    folder = Path("structures")
    folder.mkdir()
    for name in ("2zig_B_218", "3op9_A_6"):
        (folder / f"{name}.pdb").write_bytes((SMALL.parent / f"{name}.pdb").read_bytes())
    command = ["evaluate", f"designs={folder}", f"reference={SMALL}", "out=e", "threads=1", "most_candidates=2"]
    assert run(*command)[0] == 0
    summary, kept = Path("e/summary.json").read_bytes(), Path("e/kept.jsonl")
    keys = [json.loads(line)[0] for line in kept.read_text().splitlines()]
    kept.write_text("".join(f"[{json.dumps(key)}, {value}]\n" for key in keys))
    code, _, err = run(*command)
    assert code == 0, err
    assert Path("e/summary.json").read_bytes() == summary


def test_the_metadata_of_a_dataset_are_not_acted_on(run, tiny_checkpoint):
    """pandas and Arrow keep instructions in a file's schema: an index, a Python type that is unpickled."""
    table = pq.read_table(SMALL)
    payload = pickle.dumps(_Payload())
    extension = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload}
    fields = [field.with_metadata(extension) if field.name == "id" else field for field in table.schema]
    pandas = b'{"index_columns": ["__import__(\'os\').system(\'touch ran\')"], "columns": []}'
    pq.write_table(table.cast(pa.schema(fields, metadata={b"pandas": pandas})), "theirs.parquet")
    short = ("trainer.max_steps=1", "trainer.val_check_interval=1", "trainer.limit_val_batches=1", "threads=1")
    for command in (
        ["finetune", "data=theirs.parquet", f"checkpoint={tiny_checkpoint}", *short, "trainer.accelerator=cpu"],
        ["evaluate", f"designs={SMALL.parent / '2zig_B_218.pdb'}", "reference=theirs.parquet", "out=e"],
    ):
        code, _, err = run(*command)
        assert code in (0, 2), err
        assert not Path("ran").exists()
