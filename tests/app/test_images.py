"""The commands about images: what they write, that stopping leaves no trace, and what they say of mistakes."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gm_multimodal.app.images import benchmark as module
from gm_multimodal.images.quality import classifier

TINY = ("unet.widths=[8,8]", "batch_size=32", "trainer.max_steps=4", "trainer.val_check_interval=2")
QUIET = ("threads=1",)
FEW = ("num_samples=70", "sample_batch=70", "samplers=flow,mixed")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training of four steps."""
    from gm_multimodal.app.cli import main

    folder = tmp_path_factory.mktemp("images") / "train"
    assert main(["images", "train", f"out={folder}", *TINY, *QUIET]) == 0
    return folder


@pytest.fixture
def quick_classifier(monkeypatch):
    monkeypatch.setattr(classifier, "_LEAST_STEPS", 40)
    monkeypatch.setattr(classifier, "_EPOCHS", 0)


def test_a_training_is_released_with_what_it_was(trained):
    from gm_multimodal.images.checkpoint import load_image_model

    model = load_image_model(trained / "model.safetensors")
    assert tuple(model.pixels.shape) == (1, 8, 8)
    assert (model.pixels.levels, model.pixels.bins) == (17, 17)
    provenance = model.metadata["provenance"]
    assert (provenance["steps"], provenance["images_seen"], provenance["data"]) == (4, 128, "digits")
    assert set(provenance["losses"]) == {f"validation/{name}" for name in ("velocity", "rate", "posterior", "loss")}


def test_a_training_that_stopped_goes_on_to_the_same_bytes(run, trained, monkeypatch):
    from gm_multimodal.training.callbacks import StateWriter

    write = StateWriter._write

    def write_and_stop(self, trainer):
        write(self, trainer)
        if trainer.global_step == 2:
            raise RuntimeError("killed")

    monkeypatch.setattr(StateWriter, "_write", write_and_stop)
    assert run("images", "train", "out=parts", *TINY, *QUIET)[0] == 1
    monkeypatch.setattr(StateWriter, "_write", write)
    code, out, err = run("images", "train", "out=parts", *TINY, *QUIET)
    assert code == 0, err
    assert "gm-multimodal images sample checkpoint=parts/model.safetensors" in out.replace("\\", "/")
    assert open("parts/model.safetensors", "rb").read() == (trained / "model.safetensors").read_bytes()


def test_samples_are_a_picture_numbers_and_a_film(run, trained):
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    arguments = (checkpoint, "sampler=mixed", "calls=4", "num_samples=5", "sample_batch=6", "trajectory=true", *QUIET)
    code, out, err = run("images", "sample", *arguments)
    assert code == 0, err
    assert "5 images of mixed with 4 network calls are in samples." in out
    with np.load("samples/samples.npz") as file:
        images = file["images"]
    assert images.shape == (5, 1, 8, 8) and images.dtype == np.uint8 and images.max() <= 16
    first = open("samples/samples.npz", "rb").read()
    for name in ("samples.png", "trajectory.gif"):
        assert open(f"samples/{name}", "rb").read(4) in (b"\x89PNG", b"GIF8")
    assert run("images", "sample", *arguments)[0] == 0
    assert open("samples/samples.npz", "rb").read() == first
    code, _, err = run("images", "sample", *arguments, "sampler=flow")
    assert code == 2
    assert "sampler: mixed -> flow" in err


def drawn(file):
    with np.load(file) as table:
        return table["images"]


def test_samples_of_other_images_are_not_taken_for_these(run, trained):
    arguments = (f"checkpoint={trained / 'model.safetensors'}", "calls=2", "sample_batch=8", "num_samples=8", *QUIET)
    assert run("images", "sample", *arguments)[0] == 0
    for images in (np.zeros((9, 3, 8, 8), np.uint8), np.zeros((9, 1, 8, 8), np.float32), np.zeros(9, np.uint8)):
        np.savez_compressed("samples/samples.npz", images=images)
        code, _, err = run("images", "sample", *arguments)
        assert code == 2 and "does not hold images of this checkpoint" in err


def test_a_classifier_of_other_images_is_refused(tmp_path):
    from gm_multimodal.app.images.judge import make_judge
    from gm_multimodal.errors import CheckpointError
    from gm_multimodal.images.dataset import load_images
    from gm_multimodal.images.quality.classifier import Classifier, ConvNet

    training, held_out = (load_images("digits", split) for split in ("train", "test"))
    for shape, classes in (((3, 8, 8), 10), ((1, 28, 28), 10), ((1, 8, 8), 3)):
        Classifier(ConvNet(shape[0], shape[1], classes), shape, classes, "other").save(tmp_path / "c.safetensors")
        with pytest.raises(CheckpointError, match="is a classifier of other images"):
            make_judge(training, held_out, tmp_path / "c.safetensors", 0, None, torch.device("cpu"))


def test_a_set_of_samples_grows_and_never_shrinks(run, trained):
    arguments = (f"checkpoint={trained / 'model.safetensors'}", "calls=2", "sample_batch=8", *QUIET)
    assert run("images", "sample", *arguments, "num_samples=12")[0] == 0
    some = drawn("samples/samples.npz")
    code, out, _ = run("images", "sample", *arguments, "num_samples=3")
    assert code == 0 and "12 images" in out
    assert np.array_equal(drawn("samples/samples.npz"), some)
    assert run("images", "sample", *arguments, "num_samples=20")[0] == 0
    assert np.array_equal(drawn("samples/samples.npz")[:12], some) and len(drawn("samples/samples.npz")) == 20


def test_settings_of_the_samplers_reach_them(run, trained, quick_classifier):
    """Without noise the stochastic equation is the flow, and neither has finer late steps."""
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    settings = ("noise=0", "late=5", "jump_weight=0", "sample_batch=70", *QUIET)
    for name in ("flow", "sde"):
        assert run("images", "sample", checkpoint, f"sampler={name}", f"out={name}", "calls=3", *settings)[0] == 0
    arguments = (checkpoint, "samplers=flow,sde", "num_samples=70", "calls=[3]", *settings)
    assert run("images", "benchmark", *arguments, "out=table")[0] == 0
    files = [f"{name}/samples.npz" for name in ("flow", "sde")] + [
        f"table/samples/{n}_3_0.npz" for n in ("flow", "sde")
    ]
    first, *others = (drawn(file)[:64] for file in files)
    assert all(np.array_equal(first, other) for other in others)


def test_a_training_does_not_go_on_with_other_images(run):
    for name, seed in (("a", 0), ("b", 1)):
        np.savez(f"{name}.npz", images=np.random.default_rng(seed).integers(0, 256, (80, 1, 8, 8), dtype=np.uint8))
    settings = ("out=x", *TINY, "bins=5", *QUIET)
    assert run("images", "train", "data=a.npz", *settings)[0] == 0
    Path("a.npz").rename("moved.npz")
    assert run("images", "train", "data=moved.npz", *settings)[0] == 0
    code, _, err = run("images", "train", "data=b.npz", *settings)
    assert code == 2 and "images: " in err


def test_a_benchmark_that_cannot_end_does_not_begin_and_is_not_in_the_way(run, trained, monkeypatch, quick_classifier):
    monkeypatch.setattr(module, "train", lambda config: pytest.fail("it is trained"))
    images = np.random.default_rng(0).integers(0, 256, (80, 1, 8, 8), dtype=np.uint8)
    np.savez("unlabelled.npz", images=images)
    for mistake in ("data=unlabelled.npz", "inception=nowhere.pt"):
        assert run("images", "benchmark", "out=x", mistake, *FEW, *QUIET)[0] == 2
        assert not Path("x").exists()
    np.savez("labelled.npz", images=images, labels=np.arange(80) % 2)
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    code, _, err = run("images", "benchmark", "out=x", "data=labelled.npz", checkpoint, *FEW, *QUIET)
    assert code == 2 and "in 17, and data labelled holds images of shape (1, 8, 8) in 256 levels" in err
    assert run("images", "benchmark", "out=x", checkpoint, "samplers=flow", "calls=[2]", *FEW[:2], *QUIET)[0] == 0


def figures(folder):
    with open(f"{folder}/table.csv", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {
        (row["sampler"], row["calls"], row["seed"]): {k: v for k, v in row.items() if k != "cpu_seconds"}
        for row in rows
    }


def test_a_benchmark_grows_cell_by_cell_to_the_same_table(run, trained, quick_classifier, monkeypatch):
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    code, out, err = run("images", "benchmark", "out=whole", checkpoint, *FEW, "calls=[2,4]", *QUIET)
    assert code == 0, err
    assert "| sampler | 2 calls | 4 calls |" in out
    table = figures("whole")
    assert {key[:2] for key in table} == {
        ("held-out images", "0"),
        *((name, calls) for name in ("flow", "mixed") for calls in ("2", "4")),
    }
    assert all(float(row["frechet"]) > 0 and row["fid"] == "" for row in table.values())
    # no sample of a network of four steps is near a training image, and no held-out image is one
    assert all(float(row["nearest_distance"]) > 0.05 for row in table.values())

    cell, done = module._cell, []

    def stops_at_the_second(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(arguments)
        return cell(*arguments)

    monkeypatch.setattr(module, "_cell", stops_at_the_second)
    assert run("images", "benchmark", "out=parts", checkpoint, *FEW, "calls=[2]", *QUIET)[0] == 130
    monkeypatch.setattr(module, "_cell", cell)
    assert run("images", "benchmark", "out=parts", checkpoint, *FEW, "calls=[2,4]", *QUIET)[0] == 0
    assert figures("parts") == table
    for stem in ("flow_2_0", "mixed_4_0"):
        for file in (f"samples/{stem}.npz", f"grids/{stem}.png"):
            assert open(f"parts/{file}", "rb").read() == open(f"whole/{file}", "rb").read()


@pytest.mark.parametrize("content", ["a: [", "- 1\n", "other: 1\n"])
def test_a_record_that_is_none_is_refused_and_stays(run, trained, content):
    record = Path("foreign") / "config.yaml"
    record.parent.mkdir()
    record.write_text(content)
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    for arguments in (
        ["sample", checkpoint, "num_samples=2", "calls=1"],
        ["benchmark", checkpoint, *FEW, *QUIET],
        ["train", *QUIET],
    ):
        code, out, err = run("images", *arguments, "out=foreign")
        assert (code, out) == (2, "")
        assert "give another out=FOLDER" in err
        assert record.read_text() == content


def test_a_table_of_other_settings_is_refused(run, trained, quick_classifier):
    checkpoint = f"checkpoint={trained / 'model.safetensors'}"
    few = ("samplers=flow", "calls=[2]", "num_samples=70", "sample_batch=70", *QUIET)
    assert run("images", "benchmark", "out=x", checkpoint, *few)[0] == 0
    code, _, err = run("images", "benchmark", "out=x", checkpoint, *few, "num_samples=80")
    assert code == 2 and "num_samples: 70 -> 80" in err
    shutil.copy(trained / "model.safetensors", "other.safetensors")
    assert run("images", "benchmark", "out=x", "checkpoint=other.safetensors", *few)[0] == 0, "the same bytes"


def test_a_benchmark_trains_what_it_samples_from_once(run, quick_classifier, monkeypatch):
    settings = ("out=x", *TINY, *QUIET, "samplers=sde", "num_samples=70", "sample_batch=70", "late=0")
    assert run("images", "benchmark", *settings, "calls=[2]")[0] == 0
    first = open("x/train/model.safetensors", "rb").read()
    monkeypatch.setattr(module, "train", lambda config: pytest.fail("it is trained again"))
    assert run("images", "benchmark", *settings, "calls=[2,3]")[0] == 0
    assert open("x/train/model.safetensors", "rb").read() == first
    assert set(figures("x")) == {("held-out images", "0", "0"), ("sde", "2", "0"), ("sde", "3", "0")}
    code, _, err = run("images", "benchmark", *settings, "calls=[2]", "trainer.max_steps=5")
    assert code == 2 and "trainer.max_steps: 4 -> 5" in err


MISTAKES = [
    (["train", "bins=1"], "bins=1 is below 2"),
    (["train", "bins=many"], "bins=many is neither auto nor a whole number: give for example bins=65."),
    (["train", "unet.widhts=[8]"], "did you mean unet.widths?"),
    (["train", "data=nowhere"], "nowhere does not exist"),
    (["train", "unet.widths=[8,8,8,8,8]"], "images of 8 x 8 pixels cannot be halved 4 times"),
    (["train", "unet.widths=[]"], "a U-Net has one level or more"),
    (["train", "unet.heads=5"], "64 channels cannot be shared by 5 attention heads"),
    (["train", "optimisation.learning_rate=-1"], "learning_rate is -1: give a number from 0 on"),
    (["benchmark", "inception=nowhere.pt"], "inception nowhere.pt does not exist"),
    (["sample", "checkpoint=nowhere"], "checkpoint=nowhere is not a file"),
    (["sample"], "checkpoint has no value"),
    (
        ["sample", "checkpoint=x", "sampler=euler"],
        "sampler=euler is not one of flow, flow-second-order",
    ),
    (["sample", "checkpoint=x", "jump_weight=1.5"], "jump_weight=1.5 is not from 0 to 1"),
    (["sample", "checkpoint=x", "precision=half"], "precision=half is not one of float32, bfloat16"),
    (["benchmark", "samplers=flow,heun"], "samplers=heun is not one of flow"),
    (["benchmark", "calls=[]"], "calls=[] leaves nothing to compare"),
    (["benchmark", "calls=[10,1]"], "calls=1 is below 2"),
    (["benchmark", "num_samples=10"], "num_samples=10 is below 65"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_told_in_one_line(run, arguments, message):
    code, _, err = run("images", *arguments)
    assert code == 2
    assert err.startswith(f"gm-multimodal images {arguments[0]}: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_protein_checkpoint_draws_no_images(run, tiny_checkpoint):
    code, _, err = run("images", "sample", f"checkpoint={tiny_checkpoint}")
    assert code == 2
    assert "is not a model of images" in err


def test_a_model_of_images_designs_no_proteins(run, trained):
    code, _, err = run("design", f"checkpoint={trained / 'model.safetensors'}")
    assert code == 2
    assert "without our metadata" in err
