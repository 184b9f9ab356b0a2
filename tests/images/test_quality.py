"""A classifier of the same data, its opinion of samples, copies among them, and Inception's features."""

import json

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from gm_multimodal.errors import CheckpointError, DatasetError
from gm_multimodal.frechet import frechet_distance
from gm_multimodal.images.dataset import ImageSet, levels_of, load_images
from gm_multimodal.images.quality import classifier as classifiers
from gm_multimodal.images.quality.classifier import FEATURES, labels_of, load_classifier, train_classifier
from gm_multimodal.images.quality.inception import inception_features
from gm_multimodal.images.quality.labels import label_figures
from gm_multimodal.images.quality.memorisation import memorisation, nearest_images

CPU = torch.device("cpu")
TRAIN, TEST = load_images("digits", "train"), load_images("digits", "test")


@pytest.fixture(scope="module")
def classifier():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "_LEAST_STEPS", 100)
        return train_classifier(TRAIN, seed=0)


def test_digits_are_learned_in_a_hundred_steps_and_the_seed_decides_all(classifier, monkeypatch):
    """The full training reaches 0.99; chance is 0.1."""
    assert classifier.accuracy(TEST) > 0.95
    monkeypatch.setattr(classifiers, "_LEAST_STEPS", 100)
    state = torch.random.get_rng_state()
    again = train_classifier(TRAIN, seed=0)
    assert torch.equal(state, torch.random.get_rng_state()), "training drew from the global random state"
    assert torch.equal(again.features(TEST.points()), classifier.features(TEST.points()))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"shape": [1, 8, 8], "classes": 10**10, "data": "x"}, "its classes are 10000000000"),
        ({"shape": [10**6, 8, 8], "classes": 2, "data": "x"}, "its channels are 1000000"),
        ({"shape": [1, 8, "8"], "classes": 2, "data": "x"}, "its width are 8"),
        ({"shape": 3, "classes": 2, "data": "x"}, "cannot be read as a classifier"),
    ],
)
def test_a_classifier_of_absurd_size_is_refused(tmp_path, settings, reason):
    path = tmp_path / "classifier.safetensors"
    path.write_bytes(save({"a": torch.zeros(1)}, {"gm_multimodal_classifier": json.dumps(settings)}))
    with pytest.raises(CheckpointError, match=reason):
        load_classifier(path)
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="announces a header of more than 10 MB"):
        load_classifier(path)


def test_a_label_beyond_all_classes_is_refused():
    images = ImageSet("many", torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 2**40]), 256)
    with pytest.raises(DatasetError, match="has the label 1099511627776"):
        labels_of(images)


def test_a_classifier_is_kept_in_a_file(classifier, tmp_path):
    classifier.save(tmp_path / "classifier.safetensors")
    again = load_classifier(tmp_path / "classifier.safetensors")
    assert (again.shape, again.classes, again.data) == ((1, 8, 8), 10, "digits")
    assert torch.equal(again.probabilities(TEST.points()), classifier.probabilities(TEST.points()))
    with pytest.raises(CheckpointError, match="none"):
        load_classifier(tmp_path / "none")
    (tmp_path / "other").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="other cannot be read as a classifier"):
        load_classifier(tmp_path / "other")


def test_images_without_labels_are_refused():
    with pytest.raises(DatasetError, match="no labels"):
        train_classifier(ImageSet("own", TRAIN.images, None, 17), seed=0)
    with pytest.raises(DatasetError, match="one label"):
        train_classifier(ImageSet("own", TRAIN.images, 0 * TRAIN.labels, 17), seed=0)


def test_its_features_put_real_images_nearer_than_damaged_ones(classifier):
    data, real = classifier.features(TRAIN.points()), classifier.features(TEST.points())
    assert real.shape == (360, FEATURES)
    noise = 0.3 * torch.randn(TEST.points().shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(TEST.points(), 3, 1, 1)
    floor = frechet_distance(real, data)
    for damaged in (TEST.points() + noise, blurred, TEST.points()[:, :, :, torch.arange(7, -1, -1)]):
        assert frechet_distance(classifier.features(damaged), data) > 5 * floor


def test_its_opinion_knows_the_labels_of_real_images_and_what_is_missing(classifier):
    real = label_figures(classifier, TEST.points(), TRAIN.labels)
    assert real.confidence > 0.9 and real.imbalance < 0.05 and int(real.label_counts.sum()) == 360
    fives = label_figures(classifier, TEST.points()[TEST.labels == 5], TRAIN.labels)
    assert fives.imbalance == pytest.approx(0.9, abs=0.05) and int(fives.label_counts.argmax()) == 5
    noise = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert label_figures(classifier, noise, TRAIN.labels).sure < real.sure


def test_distances_to_the_nearest_image_are_those_of_all_pairs():
    points, training = TEST.points()[:50], TRAIN.points()
    distances, nearest = nearest_images(points, training)
    pairs = (points[:, None].double() - training.double()).square().mean((2, 3, 4)).sqrt()
    assert torch.allclose(distances, pairs.min(1).values, rtol=1e-9)
    assert torch.allclose(pairs.gather(1, nearest[:, None])[:, 0], distances)


def test_copies_are_told_from_new_images():
    training, held_out = TRAIN.points(), TEST.points()
    new, (usual, _) = held_out[::2], nearest_images(held_out[1::2], training)
    fair = memorisation(new, training, usual)
    assert fair.close < 0.1 and fair.sample_distance == pytest.approx(fair.held_out_distance, rel=0.1)
    copies = training[:100] + 0.02 * torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    copied = memorisation(copies, training, usual)
    assert copied.close == 1 and copied.sample_distance == pytest.approx(0.02, rel=0.1)
    assert torch.equal(copied.nearest, torch.arange(100))


def test_copies_are_seen_where_held_out_images_are_copies_too():
    training = TRAIN.points()[:200]
    held_out = torch.cat([training[:10], TEST.points()[:90]])
    usual, _ = nearest_images(held_out, training)
    assert memorisation(training[50:100], training, usual).close == 1
    assert memorisation(held_out, training, usual).close == pytest.approx(0.1)


# the published file is TorchScript, which torch still reads and no longer recommends
LEGACY = pytest.mark.filterwarnings(r"ignore:`torch\.jit:DeprecationWarning")


class Detector(torch.nn.Module):
    """Stands for Inception: the means and the greatest values of the channels of bytes."""

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        assert return_features and img.dtype == torch.uint8
        x = img.float()
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)


@LEGACY
def test_inception_sees_bytes_in_three_colours(tmp_path):
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Detector()).save(path)
    features = inception_features(path, TEST.points(), CPU)
    grey = levels_of(TEST.points(), 256).float()
    assert features.shape == (360, 6)
    for channel in range(3):
        assert torch.allclose(features[:, channel], grey.mean((1, 2, 3)), rtol=1e-5)


@LEGACY
def test_what_is_no_inception_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        inception_features(tmp_path / "none.pt", TEST.points(), CPU)
    (tmp_path / "text.pt").write_text("no archive")
    with pytest.raises(CheckpointError, match=r"text\.pt cannot be run"):
        inception_features(tmp_path / "text.pt", TEST.points(), CPU)
    torch.jit.script(torch.nn.Linear(3, 3)).save(tmp_path / "linear.pt")
    with pytest.raises(CheckpointError, match=r"linear\.pt cannot be run"):
        inception_features(tmp_path / "linear.pt", TEST.points(), CPU)
