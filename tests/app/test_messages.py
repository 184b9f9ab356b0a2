"""Every mistake a user can make on the command line ends in one line that says what to do, and in exit code 2."""

import pytest

from gm_multimodal.app.cli import main

MISTAKES = [
    (["length=12"], "length=12 is below 20 (shorter chains have no fold to design): give length=20 or more."),
    (["length=abc"], "length=abc is not a whole number: give for example length=100."),
    (["length=80.5"], "length=80.5 is not a whole number"),
    (["length="], "length= is not a whole number"),
    (["seed=null"], "seed=null is not a whole number"),
    (["seed=-1"], "seed=-1 is below 0"),
    (["lenght=80"], "unknown option lenght: did you mean length?"),
    (["+flavour=sweet"], "unknown option flavour: `gm-multimodal design --help`"),
    (["num_designs=0"], "num_designs=0 is below 1"),
    (["num_designs=many"], "num_designs=many is not a whole number: give for example 8."),
    (["keep_best=0"], "keep_best=0 of num_designs=0 leaves nothing to choose"),
    (["keep_best=8", "num_designs=8"], "of num_designs=8 leaves nothing to choose: give 1 or more, and ask for more"),
    (["steps=0"], "steps=0 is below 1"),
    (["batch_size=0"], "batch_size=0 is below 1"),
    (["sequence_temperature=hot"], "sequence_temperature=hot is not a number"),
    (["sequence_temperature=0"], "sequence_temperature=0.0 is not above 0"),
    (["sequence_temperature=nan"], "sequence_temperature=nan is not above 0"),
    (["device=gpu"], "device=gpu is not one of auto, cpu, cuda, mps"),
    (["threads=0"], "threads=0 is below 1"),
    (["threads=many"], "threads=many is neither auto nor a whole number"),
    (["format=xyz"], "format=xyz is not one of pdb, cif"),
    (["trajectories=maybe"], "trajectories=maybe is not true or false: give for example trajectories=false."),
    (["out="], "out= is empty"),
    (["checkpoint="], "checkpoint= is empty"),
    (["~length"], "length has no value"),
    (["length=60,80"], "length=60,80 holds several values: add -m"),
    (["process/rotations=nonsense"], "there is no process/rotations/nonsense: choose one of flow"),
    (["process.sequence.ordre=random"], "did you mean process.sequence.order?"),
    (["process.sequence.mine=1"], "a class of your own is added by +process.sequence.mine=VALUE."),
    (["--length", "80"], "--length is not a flag of this command: options are written length=VALUE."),
    (["--num-designs=4"], "options are written num_designs=VALUE."),
    (["length", "=", "80"], "'length' is not an option: write NAME=VALUE"),
    (["seed=("], "cannot read seed=("),
    (["-m", "--cfg", "job"], "--multirun and --cfg do not go together"),
    (["--config-dir", "nowhere"], "nowhere"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_mistakes_of_design(run, tmp_path, arguments, message):
    code, out, err = run("design", *arguments)
    assert code == 2
    assert message in err
    assert out == ""
    assert err.startswith("gm-multimodal design: error: ")
    assert len(err.splitlines()) == 1
    assert list((tmp_path / "here").iterdir()) == []


def test_unknown_command(run):
    code, _, err = run("desing")
    assert code == 2
    assert "unknown command desing: did you mean design?" in err


def test_absent_device(run, sampler, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, err = run("design", "device=cuda")
    assert code == 2
    assert "device=cuda is not available" in err


def test_bugs_end_in_one_line_and_exit_code_1(run, sampler):
    sampler.fail_at, sampler.failure = 0, ZeroDivisionError("division\nby zero")
    code, _, err = run("design", "length=20")
    assert code == 1
    last = err.splitlines()[-1]
    assert "ZeroDivisionError: division by zero" in last
    assert "GM_MULTIMODAL_TRACEBACK=1" in last
    assert "Traceback" not in err


def test_traceback_on_request(run, sampler, monkeypatch):
    monkeypatch.setenv("GM_MULTIMODAL_TRACEBACK", "1")
    assert "Traceback" in run("design", "length=12")[2]


def test_lack_of_memory_names_a_smaller_batch(run, sampler):
    sampler.fail_at, sampler.failure = 0, RuntimeError("DefaultCPUAllocator: you tried to allocate 1 bytes")
    code, _, err = run("design", "length=20", "batch_size=6", "num_designs=1")
    assert code == 2
    assert "give batch_size=3" in err


def test_interruption_before_anything_runs(monkeypatch, capfd):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gm_multimodal.app.cli.dispatch._dispatch", interrupt)
    assert main(["design"]) == 130
    assert capfd.readouterr().err == "gm-multimodal design: interrupted\n"
