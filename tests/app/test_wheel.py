import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> set[str]:
    """The names of the files in a wheel built from this checkout."""
    pytest.importorskip("hatchling", reason="the wheel is built with the dev extra's hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_holds_configurations_checkpoints_tables_and_code(contents):
    package = ROOT / "gm_multimodal"
    configs = {f"gm_multimodal/configs/{path.relative_to(ROOT / 'configs').as_posix()}" for path in yaml_files()}
    weights = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.safetensors")}
    code = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    endings = ("json", "css", "js", "npz")
    data = {path.relative_to(ROOT).as_posix() for end in endings for path in package.rglob(f"*.{end}")}
    assert len(configs) >= 6
    assert len(data) >= 5
    assert configs | weights | code | data | {"gm_multimodal/py.typed"} <= contents


def test_the_wheel_holds_nothing_else(contents):
    others = {name for name in contents if not name.startswith("gm_multimodal/") and ".dist-info/" not in name}
    assert others == set()
    assert not [name for name in contents if "__pycache__" in name or name.endswith((".ckpt", ".tmp"))]


def yaml_files() -> list[Path]:
    return sorted((ROOT / "configs").rglob("*.yaml"))
