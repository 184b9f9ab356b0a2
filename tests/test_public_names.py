"""Everything that the library offers has a public name, which costs nothing until it is asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gm_multimodal as gm

PACKAGE = Path(gm.__file__).parent
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))
MACHINERY = {"gm_multimodal.paths.tabulated_law"}
NAMED = ("spaces", "paths", "processes", "parameterizations", "schedules")


def modules(part: str) -> list[str]:
    found = PACKAGE / f"{part}.py"
    files = [found] if found.is_file() else sorted(found.with_suffix("").glob("[a-z]*.py"))
    names = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files}
    return sorted(names - MACHINERY)


def test_the_import_costs_nothing():
    """Under 0.1 s of processor time, and neither torch nor anything else of weight."""
    script = "import sys, time; import gm_multimodal; print(time.process_time(), *sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    seconds, *loaded = run.stdout.split()
    assert float(seconds) < 0.1
    assert not {"torch", "numpy", "pandas", "biotite", "e3nn", "lightning", "hydra"} & set(loaded)


@pytest.mark.parametrize("part", NAMED)
def test_every_space_path_process_schedule_and_parameterization_is_there(part):
    """A class that is final and no prediction, which a network makes, is something to build with."""
    classes = [
        value
        for module in map(importlib.import_module, modules(part))
        for value in vars(module).values()
        if getattr(value, "__final__", False) and value.__module__ == module.__name__
    ]
    public = [kind for kind in classes if not kind.__name__.startswith("_")]
    offered = [kind for kind in public if not kind.__name__.endswith("Prediction")]
    assert len(offered) >= 4
    for kind in offered:
        assert getattr(gm, kind.__name__) is kind
    if part != "schedules":
        for kind in public:
            assert getattr(getattr(gm, part), kind.__name__) is kind


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_every_name_of_a_list_exists_and_is_listed(stub):
    package = importlib.import_module(".".join(stub.parent.relative_to(PACKAGE.parent).parts))
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        for alias in getattr(node, "names", []):
            value = getattr(package, alias.name)
            module = f"{package.__name__}.{node.module or alias.name}"
            assert value is (getattr(sys.modules[module], alias.name) if node.module else sys.modules[module])
            assert alias.name in dir(package) and alias.name in package.__all__


def test_every_sub_package_of_the_library_lists_its_names():
    packages = {file.parent.name for file in PACKAGE.glob("[a-z]*/__init__.py")}
    assert packages - {stub.parent.name for stub in STUBS} == {
        "app"
    }  # which is no library: `gm.design` is its function


@pytest.mark.parametrize("name", ["loss", "sample", "design", "load", "Factor", "Known", "Sites", "SharedNoise"])
def test_the_verbs_are_there(name):
    assert name in dir(gm) and callable(getattr(gm, name))


def test_a_name_that_does_not_exist_is_no_attribute():
    with pytest.raises(AttributeError, match="Gaussianpath"):
        gm.Gaussianpath  # noqa: B018


def test_a_checkpoint_is_loaded_by_name_or_from_a_file():
    base = gm.load()
    assert set(base.product) == {"translations", "rotations", "sequence"}
    assert gm.load(PACKAGE / "checkpoints" / "base.safetensors").digest == base.digest
