"""Every YAML file is whole: its keys have a schema, a help text and a reader, and what it names can be built."""

import ast
import dataclasses
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gm_multimodal.app.cli.commands import COMMANDS, load
from gm_multimodal.app.cli.foreign_code import ALLOW
from gm_multimodal.app.cli.options import Option, config_directory, config_name, group_options, read_command
from gm_multimodal.app.cli.schema import checked

CONFIGS = config_directory()
FILES = sorted(CONFIGS.rglob("*.yaml"))
PROCESSES = sorted((CONFIGS / "process").rglob("*.yaml"))

# The command line that people script against. A new option is added here on purpose, and none is renamed.
OPTIONS = {
    "design": "task length num_designs keep_best out seed fasta structure contig redesign_motif_sequence start_time "
    "fix omit bias sequence_temperature steps last_step structure_end sequence_start ideal_bonds jump_weight "
    "checkpoint max_megabytes device batch_size threads format trajectories validate allow_code "
    "process/translations process/rotations process/sequence",
    "train": "data out seed sequences min_length max_length max_gyration_ratio max_coil max_megabytes "
    "residues_per_batch batch_doubles_at self_conditioning ema_decay validate_training threads allow_code network "
    "product/translations product/rotations product/sequence curriculum auxiliary optimisation trainer",
    "finetune": "data checkpoint out seed trainable patience replay replay_share sequences min_length max_length "
    "max_gyration_ratio max_coil max_megabytes residues_per_batch batch_doubles_at self_conditioning ema_decay "
    "threads allow_code curriculum auxiliary optimisation trainer",
    "evaluate": "designs out reference reference_split max_megabytes most_compared most_candidates threads "
    "protein_mpnn mpnn_sequences likelihood esmfold fold_command seed device allow_code",
    "prepare": "structures out download chains models gaps predicted min_length max_length max_resolution min_plddt "
    "max_coil max_gyration_ratio max_broken keep_duplicates clustering validation_share test_share seed max_megabytes "
    "max_seconds workers",
    "images train": "data out seed max_megabytes bins batch_size mirrored ema_decay threads allow_code unet "
    "optimisation trainer",
    "images sample": "checkpoint sampler calls num_samples out max_megabytes seed jump_weight noise late trajectory "
    "device precision sample_batch threads allow_code",
    "images benchmark": "data out checkpoint samplers calls num_samples seeds jump_weight noise late inception "
    "seed max_megabytes bins batch_size mirrored ema_decay device precision sample_batch threads allow_code unet "
    "optimisation trainer",
    "doctor": "checkpoint device threads allow_code",
}


def name(file: Path) -> str:
    return file.relative_to(CONFIGS).as_posix()


def composed(command: str, *overrides: str):
    required = [f"{option.key}=x" for option in read_command(command).options if option.default == "???"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(config_name(command), overrides=[*required, *overrides])


def plain_options(file: Path) -> tuple[Option, ...]:
    if file.parent == CONFIGS:
        return next(read_command(command).options for command in COMMANDS if config_name(command) == file.stem)
    return group_options(Option(file.parent.relative_to(CONFIGS).as_posix(), file.stem, help=""))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_is_frozen(command):
    offered = read_command(command)
    assert [option.key for option in (*offered.options, *offered.groups)] == OPTIONS[command].split()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_reads_what_hydra_reads(command):
    offered = read_command(command)
    content = OmegaConf.load(CONFIGS / f"{config_name(command)}.yaml")
    groups = [entry for entry in content.pop("defaults", []) if entry != "_self_"]
    assert {option.key: option.default for option in offered.options} == {
        key: "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in OmegaConf.to_container(content).items()
    }
    assert {group.key: group.default for group in offered.groups} == {
        k: v for entry in groups for k, v in entry.items()
    }
    assert all(group.default in group.choices for group in offered.groups)


@pytest.mark.parametrize("command", COMMANDS)
def test_schema_and_file_have_the_same_keys(command):
    schema = load(COMMANDS[command].schema)
    assert {item.name for item in dataclasses.fields(schema)} == set(composed(command))
    assert isinstance(checked(composed(command), schema, read_command(command)), schema)


def parsed(module: str) -> ast.Module:
    return ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_is_read(command):
    module = COMMANDS[command].function.partition(":")[0]
    nodes = list(ast.walk(parsed(module)))
    # What it hands its configuration to, in the same folder.
    used = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    helpers = [name for name in used if name.startswith("gm_multimodal.app.")]
    read = {
        node.attr
        for node in [*nodes, *(node for name in helpers for node in ast.walk(parsed(name)))]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "config"
    }
    for function in ast.walk(ast.parse(inspect.getsource(load(COMMANDS[command].schema)))):
        if isinstance(function, ast.FunctionDef) and function.name in read:  # a property reads for its reader
            read |= {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}
    read.add(ALLOW)  # by `check_typed`, for every command
    read |= {key for file in PROCESSES for key in re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8"))}
    assert {item.name for item in dataclasses.fields(load(COMMANDS[command].schema))} <= read


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_file_and_every_plain_value_is_explained(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    explained = {option.key.rpartition(".")[2] for option in plain_options(file)}
    content = OmegaConf.to_container(OmegaConf.load(file))
    plain = {key for key, value in content.items() if not isinstance(value, dict)} - {"_target_", "defaults"}
    assert plain == explained


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_target_exists(file):
    def targets(node):
        if isinstance(node, dict):
            yield from [node["_target_"]] if "_target_" in node else []
            for value in node.values():
                yield from targets(value)

    for target in targets(OmegaConf.to_container(OmegaConf.load(file))):
        module, _, attribute = target.rpartition(".")
        assert callable(load(f"{module}:{attribute}"))


@pytest.mark.parametrize("file", PROCESSES, ids=name)
def test_every_process_can_be_built(file):
    from gm_multimodal.protein.catalogue import CATALOGUE
    from gm_multimodal.training.build import build_product

    product = OmegaConf.to_container(composed("train"), resolve=True)["product"]
    factor = file.parent.name
    processes = OmegaConf.to_container(composed("design", f"process/{factor}={file.stem}").process, resolve=True)
    assert set(build_product(product, CATALOGUE, processes)) == set(product)


@pytest.mark.parametrize("file", sorted((CONFIGS / "network").glob("*.yaml")), ids=name)
def test_every_network_can_be_built(file):
    import torch

    from gm_multimodal.protein.catalogue import CATALOGUE
    from gm_multimodal.training.build import build_network

    with torch.device("meta"):
        config = OmegaConf.to_container(composed("train", f"network={file.stem}"), resolve=True)
        build_network(config["network"], CATALOGUE)


@pytest.mark.parametrize("file", sorted((CONFIGS / "unet").glob("*.yaml")), ids=name)
def test_every_unet_can_be_built(file):
    import torch

    from gm_multimodal.images.catalogue import CATALOGUE
    from gm_multimodal.training.build import build_network

    unet = OmegaConf.to_container(composed("images train", f"unet={file.stem}"), resolve=True)["unet"]
    with torch.device("meta"):
        build_network({**unet, "shape": [3, 32, 32], "outputs": 40}, CATALOGUE)


def test_no_default_of_an_option_stands_in_the_application():
    """A second one would be forgotten when the first is changed; a schema says of text that it is taken literally."""
    names = {option.key for command in COMMANDS for option in read_command(command).options}
    app = Path(find_spec("gm_multimodal.app").origin).parent
    for file in app.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                takes = [*node.args.posonlyargs, *node.args.args]
                given = [*zip(takes[::-1], node.args.defaults[::-1], strict=False)]
                given += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                pairs = [(argument.arg, value) for argument, value in given]
            elif isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
                pairs = [
                    (ast.unparse(item.target), item.value) for item in node.body if isinstance(item, ast.AnnAssign)
                ]
            else:
                continue
            for name_, value in pairs:
                stands = value is not None and ast.unparse(value) not in ("literal()", "None")
                assert not (stands and name_ in names), f"{file.name}: {name_} = {ast.unparse(value)}"
