"""Objects from configuration: our own classes and nothing else, with errors that name the node."""

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess, UserInputError
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.processes.flow import Flow
from gm_multimodal.schedules import Linear
from gm_multimodal.training.build import build, build_network, build_product

CTMC = "gm_multimodal.processes.ctmc.MaskingCTMC"


def test_the_shipped_product_is_built(config):
    product = build_product(config["product"])
    assert list(product) == ["translations", "rotations", "sequence"]
    assert isinstance(product["sequence"].process, MaskingCTMC)
    assert product["translations"].centred
    assert not product["rotations"].centred
    assert [factor.weight for factor in product.values()] == [1.0, 0.3, 0.5]
    assert isinstance(product["rotations"].clock, Linear)
    for factor in product.values():
        assert factor.process.path.space is factor.parameterization.space


def test_processes_can_be_replaced(config):
    processes = {"sequence": {"_target_": CTMC, "remasking": 5.0, "temperature": 0.5, "order": "purity"}}
    product = build_product(config["product"], processes)
    assert product["sequence"].process.remasking == 5.0
    assert product["sequence"].process.order == "purity"
    assert isinstance(product["rotations"].process, Flow)


def test_a_process_of_an_unknown_factor_is_refused_with_those_there_are(config):
    with pytest.raises(UserInputError, match=r"process of side_chains.*translations, rotations, sequence"):
        build_product(config["product"], {"side_chains": {"_target_": CTMC}})


def test_a_process_that_does_not_fit_its_path_is_refused(config):
    with pytest.raises(UserInputError, match=r"cannot build .*Flow: .*MixturePath"):
        build_product(config["product"], {"sequence": {"_target_": "gm_multimodal.processes.flow.Flow"}})


def test_a_process_that_does_not_fit_its_prediction_is_refused(config):
    with pytest.raises(IncompatibleProcess, match=r"Jump follows a Posterior, but EndpointMean"):
        build_product(config["product"], {"translations": {"_target_": "gm_multimodal.processes.jump.Jump"}})


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "os.system", "command": "true"},
        {"_target_": "gm_multimodal_elsewhere.Thing"},
        {"_target_": CTMC, "path": {"_target_": "builtins.eval"}},
        {"_target_": CTMC, "path": [{"inner": {"_target_": "subprocess.run"}}]},
    ],
)
def test_nothing_outside_the_package_is_ever_called(node, monkeypatch):
    called = []
    monkeypatch.setattr("os.system", called.append)
    with pytest.raises(UserInputError, match="not a class of gm_multimodal"):
        build(node)
    assert not called


def test_an_argument_that_does_not_fit_is_named():
    with pytest.raises(UserInputError, match=r"cannot build gm_multimodal.schedules.Exponential.*speed"):
        build({"_target_": "gm_multimodal.schedules.Exponential", "speed": 1.0})
    with pytest.raises(UserInputError, match="rate is -1"):
        build({"_target_": "gm_multimodal.schedules.Exponential", "rate": -1.0})


def test_a_class_that_does_not_exist_is_named():
    with pytest.raises(UserInputError, match="Sinusoidal"):
        build({"_target_": "gm_multimodal.schedules.Sinusoidal"})


def test_weights_follow_torchs_random_state(config):
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(build_network(config["network"]).state_dict()["embed.weight"])
    assert torch.equal(networks[0], networks[1])
    assert not torch.equal(networks[0], networks[2])
