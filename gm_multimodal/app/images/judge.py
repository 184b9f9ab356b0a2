"""How good a set of images is: everything of a row of the benchmark that is measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import CheckpointError
from gm_multimodal.frechet import frechet_distance
from gm_multimodal.images.dataset import ImageSet
from gm_multimodal.images.quality.bootstrap import bootstrap_error
from gm_multimodal.images.quality.classifier import Classifier, labels_of, load_classifier, train_classifier
from gm_multimodal.images.quality.inception import inception_features
from gm_multimodal.images.quality.labels import label_figures
from gm_multimodal.images.quality.memorisation import memorisation, nearest_images


@final
@dataclass(frozen=True)
class SampleJudge:
    """A classifier of the data, and the images that samples are compared with.

    Attributes:
        classifier: trained on the training images.
        training: points [M, C, H, W].
        labels: of the training images, [M].
        held_out: points that neither the network nor the classifier was trained on.
        usual: distances of the held-out images to their nearest training images.
        features: of the training images.
        inception: file of Inception's features, if there is one, and its features of the training images.
        device: where Inception computes.
    """

    classifier: Classifier
    training: Tensor
    labels: Tensor
    held_out: Tensor
    usual: Tensor
    features: Tensor
    inception: tuple[str, Tensor] | None
    device: torch.device

    def row(self, points: Tensor) -> dict[str, str]:
        """Return the figures of images [N, C, H, W] in [-1, 1]."""
        features = self.classifier.features(points)
        said = label_figures(self.classifier, points, self.labels)
        near = memorisation(points, self.training, self.usual)
        figures = {
            "frechet": frechet_distance(features, self.features),
            "frechet_error": bootstrap_error(features, self.features, seed=0),
            "frechet_as_held_out": frechet_distance(features[: len(self.held_out)], self.features),
            "confidence": said.confidence,
            "sure": said.sure,
            "imbalance": said.imbalance,
            "nearest_distance": near.sample_distance,
            "close": near.close,
        }
        if self.inception is not None:
            path, real = self.inception
            figures["fid"] = frechet_distance(inception_features(path, points, self.device), real)
        return {name: f"{value:.5g}" for name, value in figures.items()} | {"samples": str(len(points))}


def make_judge(
    training: ImageSet, held_out: ImageSet, file: Path, seed: int, inception: str | None, device: torch.device
) -> SampleJudge:
    """Train the classifier, or read it from `file`, where it is written otherwise.

    Raises:
        DatasetError: The images have no labels.
        CheckpointError: The file holds a classifier of other images.
    """
    if file.is_file():
        classifier = load_classifier(file)
        wanted = (tuple(training.shape), int(labels_of(training).max()) + 1)
        if (tuple(classifier.shape), classifier.classes) != wanted:
            raise CheckpointError(f"{file} is a classifier of other images: move it away, and one is trained.")
    else:
        classifier = train_classifier(training, seed=seed, device=device)
        classifier.save(file)
    points = training.points()
    real = None if inception is None else (inception, inception_features(inception, points, device))
    others = held_out.points()
    usual, _ = nearest_images(others, points)
    return SampleJudge(
        classifier, points, labels_of(training), others, usual, classifier.features(points), real, device
    )
