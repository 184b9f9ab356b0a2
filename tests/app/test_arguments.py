from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gm_multimodal.app.cli.arguments import Arguments, quote_literals, read_arguments
from gm_multimodal.app.cli.checks import literal_keys
from gm_multimodal.app.cli.options import config_directory, read_command
from gm_multimodal.app.cli.schema import checked
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.errors import UserInputError

NASTY = [
    "a,b",
    "a b",
    "(x)",
    "a=b",
    "é/日本",
    "it's",
    'say "hi"',
    "back\\slash",
    "end\\",
    "a\\'b",
    "'",
    "C:\\dir\\x",
    "${length}",
    "\\${length}",
    "\\\\${x}",
    "${",
    "a}b{",
    "[1]",
    "{a:b}",
    "null",
    "true",
    "12",
    " lead",
    "trail ",
    "~x",
    "+y",
    "#c",
    "tab\tbed",
    "new\nline",
    "choice(1,2)",
    "a:b",
    "$x;*?`&|<>!@^%",
    "\udcff",
]


@pytest.mark.parametrize("value", NASTY, ids=ascii)
def test_literal_values_arrive_as_typed(value):
    overrides = [*quote_literals([f"out={value}", f"++checkpoint={value}", "length=60"], literal_keys(DesignConfig))]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose("design", overrides=overrides)
    config = checked(composed, DesignConfig, read_command("design"))
    assert (config.out, config.checkpoint, config.length) == (value, value, 60)


def test_the_home_folder_may_be_written_short(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (typed,) = quote_literals(["out=~/${x}, 'y'"], literal_keys(DesignConfig))
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose("design", overrides=[typed])
    found = checked(composed, DesignConfig, read_command("design")).out
    assert Path(found) == tmp_path / "${x}, 'y'"


@pytest.mark.parametrize("value", ["a,b", "it's (1=2)", "${length}\\", "é"], ids=ascii)
def test_literal_values_survive_a_sweep(run, sampler, tmp_path, value):
    code, _, err = run("design", "-m", f"out={value}", "length=20,21", "num_designs=1", "format=pdb,cif")
    assert code == 0, err
    folder = tmp_path / "here" / value
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2", "3"]
    assert "length: 21" in (folder / "2" / "config.yaml").read_text()
    assert (folder / "3" / "design_0000.cif").exists()


def test_defaults_are_resolved_and_frozen():
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose("design", overrides=["length=70", "seed=3", "sequence_temperature=0.5"])
    config = checked(composed, DesignConfig, read_command("design"))
    assert config.out == "designs/length70_seed3"
    assert config.process["sequence"]["temperature"] == 0.5
    with pytest.raises(AttributeError):
        config.length = 80


def test_schema_has_the_last_word_on_keys():
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose("design", overrides=["+lenght=80"])
    with pytest.raises(ValueError, match="unknown option lenght: did you mean length"):
        checked(composed, DesignConfig, read_command("design"))
    with pytest.raises(ValueError, match="task has no value"):
        checked(OmegaConf.create({}), DesignConfig, read_command("design"))


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        (["a=1", "--cfg", "job", "b=2"], {"cfg": "job"}),
        (["-c=all", "a=1", "--resolve", "-p", "x.y", "b=2"], {"cfg": "all", "resolve": True, "package": "x.y"}),
        (["a=1", "-m", "b=2"], {"multirun": True}),
        (["a=1", "b=2", "--info"], {"info": "all"}),
        (["a=1", "--info", "b=2"], {"info": "all"}),
        (["-i", "plugins", "a=1", "b=2"], {"info": "plugins"}),
        (
            ["a=1", "-cd", "a folder", "--config-name=own", "b=2"],
            {"config_dir": "a folder", "config_name": "own"},
        ),
    ],
)
def test_flags_are_told_from_overrides_wherever_they_stand(typed, flags):
    assert read_arguments(typed) == Arguments(("a=1", "b=2"), **flags)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--cfg"], "--cfg lacks its value"),
        (["--cfg", "everything"], "--cfg everything is not one of job, hydra, all"),
        (["--info=weather"], "--info weather is not one of all"),
        (["--resolve"], "--resolve is about what --cfg shows"),
        (["-m", "--info"], "--multirun and --info do not go together"),
        (["--multirun=yes"], "--multirun is not a flag"),
        (["--experimental-rerun", "config.pickle"], "--experimental-rerun is not a flag"),
    ],
)
def test_flags_that_say_nothing_are_refused(typed, message):
    with pytest.raises(UserInputError, match=message):
        read_arguments(typed)
