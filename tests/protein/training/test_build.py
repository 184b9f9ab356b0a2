"""Objects from configuration: our own classes and nothing else, with errors that name the node."""

import inspect
import pkgutil
from importlib import import_module

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess, UserInputError
from gm_multimodal.images.catalogue import CATALOGUE as OF_IMAGES
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.processes.flow import Flow
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.schedules import Linear
from gm_multimodal.training.build import build, build_network, build_product
from gm_multimodal.training.catalogue import GENERAL

CTMC = "gm_multimodal.processes.ctmc.MaskingCTMC"


def test_the_shipped_product_is_built(config):
    product = build_product(config["product"], CATALOGUE)
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
    product = build_product(config["product"], CATALOGUE, processes)
    assert product["sequence"].process.remasking == 5.0
    assert product["sequence"].process.order == "purity"
    assert isinstance(product["rotations"].process, Flow)


def test_a_process_of_an_unknown_factor_is_refused_with_those_there_are(config):
    with pytest.raises(UserInputError, match=r"process of side_chains.*translations, rotations, sequence"):
        build_product(config["product"], CATALOGUE, {"side_chains": {"_target_": CTMC}})


def test_a_process_that_does_not_fit_its_path_is_refused(config):
    with pytest.raises(UserInputError, match=r"cannot build .*Flow: .*MixturePath"):
        build_product(config["product"], CATALOGUE, {"sequence": {"_target_": "gm_multimodal.processes.flow.Flow"}})


def test_a_process_that_does_not_fit_its_prediction_is_refused(config):
    with pytest.raises(IncompatibleProcess, match=r"Jump follows Posterior, but EndpointMean"):
        build_product(config["product"], CATALOGUE, {"translations": {"_target_": "gm_multimodal.processes.jump.Jump"}})


WIDE = {"_target_": "gm_multimodal.networks.residue_trunk.ResidueTrunk"}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        # Names of others, and names that only begin like ours.
        ({"_target_": "os.system", "command": "true"}, "os.system is not a class of gm_multimodal"),
        ({"_target_": "gm_multimodal_elsewhere.Thing"}, "not a class of gm_multimodal"),
        # Names that walk through our modules into others.
        ({"_target_": "gm_multimodal.files.os.system", "command": "true"}, "is not a class that gm_multimodal"),
        ({"_target_": "gm_multimodal.protein.judges.fold_command.subprocess.run"}, "is not a class that gm_multimodal"),
        (
            {"_target_": "gm_multimodal.protein.judges.protein_mpnn.torch.load", "f": "x", "weights_only": False},
            "is not a class that gm_multimodal",
        ),
        # Our own callables that write or run.
        ({"_target_": "gm_multimodal.files.write_atomically", "path": "x", "content": "y"}, "is not a class that"),
        ({"_target_": "gm_multimodal.protein.judges.fold_command.FoldCommand._run"}, "is not a class that"),
        ({"_target_": "gm_multimodal.training.build.build", "config": {}}, "is not a class that"),
        # Nested nodes: nothing of the tree is built.
        ({"_target_": CTMC, "path": {"_target_": "builtins.eval"}}, "builtins.eval is not a class of gm_multimodal"),
        ({"_target_": CTMC, "path": [{"inner": {"_target_": "subprocess.run"}}]}, r"CTMC.path is \[.* not a node"),
        ({"_target_": CTMC, "order": {"_target_": "os.system", "command": "true"}}, "order is .*not one of random"),
        # What Hydra and OmegaConf would act on.
        ({"_target_": CTMC, "_args_": ["x"]}, "no argument _args_"),
        ({**WIDE, "_partial_": True}, "no argument _partial_"),
        ({**WIDE, "_convert_": "all"}, "no argument _convert_"),
        ({**WIDE, "width": "${oc.env:HOME}"}, "width is .*oc.env.*not a whole number"),
        ({**WIDE, "width": "${oc.create:{_target_: os.system}}"}, "width is .* not a whole number"),
        ({**WIDE, "width": "${oc.decode:'{_target_: os.system}'}"}, "width is .* not a whole number"),
        # Types, sizes.
        ({**WIDE, "width": 192.5}, "width is 192.5, not a whole number"),
        ({**WIDE, "width": True}, "width is True, not a whole number"),
        ({**WIDE, "width": [192]}, r"width is \[192\], not a whole number"),
        ({**WIDE, "width": None}, "width is None, not a whole number"),
        ({**WIDE, "width": 4000}, "width is 4000: it must lie between 1 and 2048"),
        ({**WIDE, "layers": 600}, "layers is 600: it must lie between 1 and 128"),
        ({**WIDE, "layers": 10**30}, "layers is 1000.* not a whole number"),
        ({"_target_": "gm_multimodal.schedules.Exponential", "rate": float("nan")}, "rate is nan, not a number"),
        ({"_target_": "gm_multimodal.schedules.Exponential", "rate": 10**400}, "rate is 1000.* not a number"),
        ({"_target_": CTMC, "background": [0.05] * 5000}, "background is .* not a list"),
        # A node of the wrong family, and none at all.
        ({"_target_": "gm_multimodal.schedules.Window", "clock": WIDE}, "clock must be a node whose .* Schedule"),
        ({"_target_": ["os.system"]}, "must have a _target_"),
        ({"width": 3}, "must have a _target_"),
        (["os.system"], "must have a _target_"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:60],
)
def test_what_is_not_known_or_does_not_fit_is_refused_before_anything_is_built(node, message, monkeypatch):
    called = []
    monkeypatch.setattr("os.system", called.append)
    monkeypatch.setattr("subprocess.run", called.append)
    monkeypatch.setattr("gm_multimodal.files.write_atomically", called.append)
    with pytest.raises(UserInputError, match=message) as caught:
        build(node, CATALOGUE)
    assert len(str(caught.value)) < 500
    assert not called


def nested(depth: int) -> dict:
    node: dict = {"_target_": "gm_multimodal.schedules.Linear"}
    for _ in range(depth):
        node = {"_target_": "gm_multimodal.schedules.Window", "clock": node}
    return node


def test_nested_nodes_are_built_and_bottomless_ones_refused():
    assert build(nested(2), CATALOGUE).clock.clock == Linear()
    with pytest.raises(UserInputError, match="nested too deeply"):
        build(nested(900), CATALOGUE)


def test_everything_is_checked_before_the_first_class_is_made(monkeypatch):
    made = []
    monkeypatch.setattr("gm_multimodal.schedules.Linear.__init__", lambda self: made.append(self))
    node = {"_target_": "gm_multimodal.schedules.Window", "clock": {"_target_": "gm_multimodal.schedules.Linear"}}
    with pytest.raises(UserInputError, match="end is"):
        build({**node, "end": "later"}, CATALOGUE)
    assert not made
    build(node, CATALOGUE)
    assert made


def test_code_of_others_runs_only_where_it_is_allowed():
    node = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 3}
    with pytest.raises(UserInputError, match=r"fractions.Fraction is not a class of .* add allow_code=true"):
        build(node, CATALOGUE)
    assert build(node, CATALOGUE, allow_code=True) * 3 == 1
    with pytest.raises(UserInputError, match=r"no_such_package.Thing cannot be imported"):
        build({"_target_": "no_such_package.Thing"}, CATALOGUE, allow_code=True)
    with pytest.raises(UserInputError, match=r"files.os.system is not a class that"):
        build({"_target_": "gm_multimodal.files.os.system", "command": "true"}, CATALOGUE, allow_code=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": "heavy"}, "factor rotations: weight is heavy, not a number"),
        ({"centred": 1}, "factor rotations: centred is 1, not true or false"),
        ({"clock": None}, "factor rotations: clock is None"),
        ({"more": 1}, "factor rotations must have path, process"),
    ],
)
def test_a_factor_is_all_that_it_must_be(config, change, message):
    product = {**config["product"], "rotations": {**config["product"]["rotations"], **change}}
    with pytest.raises(UserInputError, match=message):
        build_product(product, CATALOGUE)


ENTRIES = {**CATALOGUE, **OF_IMAGES}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_name_of_a_catalogue_can_be_imported_and_its_sizes_are_arguments(name):
    module, _, attribute = ENTRIES[name].place.partition(":")
    made = getattr(import_module(module), attribute)
    arguments = inspect.signature(made).parameters
    assert set(ENTRIES[name].sizes) <= set(arguments)


def test_a_modality_builds_what_it_names_and_what_all_share_but_not_what_another_names():
    unet = {"_target_": "gm_multimodal.images.unet.UNet"}
    losses = {"_target_": "gm_multimodal.protein.auxiliary.BackboneLosses"}
    assert build(losses, CATALOGUE).atoms > 0
    for node, catalogue in ((unet, CATALOGUE), (losses, OF_IMAGES), (losses, GENERAL)):
        with pytest.raises(UserInputError, match="is not a class that"):
            build(node, catalogue)
    for catalogue in (GENERAL, CATALOGUE, OF_IMAGES):
        assert build({"_target_": "gm_multimodal.training.module.Optimisation"}, catalogue).warmup_steps > 0


def test_every_class_that_files_may_name_is_in_the_catalogue():
    """Concrete classes of the packages that a product is made of, but for predictions, which are made by networks."""
    known = {entry.place for entry in GENERAL.values()}
    for family in ("spaces", "paths", "processes", "parameterizations", "schedules"):
        package = import_module(f"gm_multimodal.{family}")
        modules = [info.name for info in pkgutil.iter_modules(getattr(package, "__path__", []))]
        for module in [import_module(f"gm_multimodal.{family}.{name}") for name in modules] or [package]:
            for kind in vars(module).values():
                is_here = inspect.isclass(kind) and kind.__module__ == module.__name__
                if not is_here or getattr(kind, "_is_protocol", False) or inspect.isabstract(kind):
                    continue
                if not kind.__name__.endswith(("Prediction", "TabulatedLaw")):
                    assert f"{kind.__module__}:{kind.__name__}" in known


def test_an_argument_that_does_not_fit_is_named():
    with pytest.raises(UserInputError, match=r"cannot build gm_multimodal.schedules.Exponential.*speed"):
        build({"_target_": "gm_multimodal.schedules.Exponential", "speed": 1.0}, CATALOGUE)
    with pytest.raises(UserInputError, match="rate is -1"):
        build({"_target_": "gm_multimodal.schedules.Exponential", "rate": -1.0}, CATALOGUE)


def test_a_class_that_does_not_exist_is_named():
    with pytest.raises(UserInputError, match="Sinusoidal"):
        build({"_target_": "gm_multimodal.schedules.Sinusoidal"}, CATALOGUE)


def test_weights_follow_torchs_random_state(config):
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(build_network(config["network"], CATALOGUE).state_dict()["embed.weight"])
    assert torch.equal(networks[0], networks[1])
    assert not torch.equal(networks[0], networks[2])
