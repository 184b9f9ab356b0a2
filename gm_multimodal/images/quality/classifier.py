"""A small classifier trained on the same data, whose features and opinions judge samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from gm_multimodal.images.dataset import ImageSet


@final
@dataclass(frozen=True)
class Classifier:
    """P(label | image), and the features before its last layer."""

    def features(self, points: Tensor) -> Tensor:
        """Return the penultimate activations of images [N, C, H, W] in [-1, 1], float32 [N, d]."""
        raise NotImplementedError

    def probabilities(self, points: Tensor) -> Tensor:
        """Return P(label | image) of images [N, C, H, W], [N, K]."""
        raise NotImplementedError

    def accuracy(self, images: ImageSet) -> float:
        """Return the share of images whose likeliest label is theirs."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write the classifier as safetensors, atomically."""
        raise NotImplementedError


def load_classifier(path: Path) -> Classifier:
    """Read what `Classifier.save` wrote."""
    raise NotImplementedError


def train_classifier(images: ImageSet, *, seed: int) -> Classifier:
    """Train on labelled images; equal seeds give equal classifiers on one machine."""
    raise NotImplementedError
