"""Released checkpoints: what is written comes back, and what is not ours is refused in words."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gm_multimodal import __version__
from gm_multimodal.errors import CheckpointError, UserInputError
from gm_multimodal.protein.batch import single_chain
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.checkpoint import load_checkpoint, resolve, shipped_names
from gm_multimodal.training.build import build_network
from gm_multimodal.training.checkpoints import save_checkpoint
from tests.networks.trunks import random_state, random_times

PROVENANCE = {"length_range": [40, 80], "steps": 12, "data": "chains_small.parquet"}


@pytest.fixture
def network(config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(config["network"], CATALOGUE)


@pytest.fixture
def saved(tmp_path, config, network):
    path = tmp_path / "folder" / "model.safetensors"
    save_checkpoint(path, network.state_dict(), config, PROVENANCE)
    return path


def test_a_checkpoint_comes_back_as_it_was_but_for_rounding(saved, config, network):
    checkpoint = load_checkpoint(saved)
    assert checkpoint.config == config
    assert checkpoint.metadata == {"version": __version__, "provenance": PROVENANCE}
    assert checkpoint.length_range == (40, 80)
    for name, tensor in network.state_dict().items():
        loaded = checkpoint.network.state_dict()[name]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, tensor.to(torch.bfloat16).float())
    assert not checkpoint.network.training
    assert not any(p.requires_grad for p in checkpoint.network.parameters())


def test_weights_are_stored_in_half_the_bytes(saved, network):
    assert {tensor.dtype for tensor in load_file(saved).values()} == {torch.bfloat16}
    weights = sum(p.numel() for p in network.parameters())
    assert 2 * weights < saved.stat().st_size < 2 * weights + 20_000


def test_the_loaded_network_computes(saved):
    sites = single_chain(torch.ones(1, 5, dtype=torch.bool))
    network = load_checkpoint(saved).network
    output = network(random_state(1, 5, torch.float32), random_times(1, 5, torch.float32), sites, None)
    assert all(x.isfinite().all() for x in output.values())


def test_processes_of_the_user_replace_those_of_the_file(saved):
    node = {"_target_": "gm_multimodal.processes.ctmc.MaskingCTMC", "remasking": 7.0}
    assert load_checkpoint(saved).product["sequence"].process.remasking == 0.0
    assert load_checkpoint(saved, {"sequence": node}).product["sequence"].process.remasking == 7.0


def test_the_digest_names_the_bytes(saved, tmp_path, config, network):
    first = load_checkpoint(saved).digest
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, network.state_dict(), config, {**PROVENANCE, "steps": 13})
    assert len(first) == 16
    assert load_checkpoint(saved).digest == first
    assert load_checkpoint(other).digest != first


def test_equal_content_is_equal_bytes(saved, tmp_path, config, network):
    for number in range(5):
        again = tmp_path / f"{number}.safetensors"
        save_checkpoint(again, network.state_dict(), config, PROVENANCE)
        assert again.read_bytes() == saved.read_bytes()


def test_writing_leaves_nothing_beside_the_file(saved, config, network):
    save_checkpoint(saved, network.state_dict(), config, PROVENANCE)
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read.*copy it again"):
        load_checkpoint(saved)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("not weights at all, but long enough to look like a header")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"config": "{}"}, {"config": "{", "provenance": "{}"}])
def test_weights_of_somebody_else_are_refused(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match="without our metadata"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("config", "provenance"),
    [
        ({}, {}),
        ([], 3),
        ({"network": {"_target_": "x"}, "product": []}, {}),
        ({"network": "x", "product": {}}, PROVENANCE),
    ],
)
def test_metadata_with_holes_is_refused(tmp_path, config, provenance):
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"config": json.dumps(config), "provenance": json.dumps(provenance)})
    with pytest.raises(CheckpointError, match="without our metadata"):
        load_checkpoint(path)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path, config, network):
    path = tmp_path / "model.safetensors"
    wider = {**config, "network": config["network"] | {"width": 24}}
    save_checkpoint(path, network.state_dict(), wider, PROVENANCE)
    with pytest.raises(CheckpointError, match=rf"do not fit its configuration.*version {__version__}"):
        load_checkpoint(path)
    fewer = {name: tensor for name, tensor in network.state_dict().items() if name != "embed.bias"}
    save_checkpoint(path, fewer, config, PROVENANCE)
    with pytest.raises(CheckpointError, match=r"embed\.bias"):
        load_checkpoint(path)


def test_a_configuration_cannot_call_what_is_not_ours(tmp_path, network, config):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, network.state_dict(), {**config, "network": {"_target_": "os.getcwd"}}, PROVENANCE)
    with pytest.raises(UserInputError, match=r"os\.getcwd is not a class of gm_multimodal"):
        load_checkpoint(path)


def test_what_is_written_is_json_that_others_can_read(saved, config):
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"]) == config
    assert json.loads(metadata["provenance"])["steps"] == 12


def test_a_path_is_found_and_a_wrong_name_is_explained(saved, monkeypatch):
    assert resolve(str(saved)) == saved
    for wrong in ("missing.safetensors", "bse", str(saved.parent)):
        with pytest.raises(CheckpointError, match="neither a file nor a shipped checkpoint") as error:
            resolve(wrong)
        assert wrong in str(error.value)
        assert all(name in str(error.value) for name in shipped_names())


def test_a_shipped_name_is_found(saved, monkeypatch):
    monkeypatch.setattr("gm_multimodal.protein.checkpoint.SHIPPED", saved.parent)
    assert shipped_names() == ["model"]
    assert resolve("model") == saved
    with pytest.raises(CheckpointError, match="shipped: model"):
        resolve("mode")
