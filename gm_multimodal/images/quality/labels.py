"""What a classifier says of samples that nobody has labelled."""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from gm_multimodal.images.quality.classifier import Classifier

SURE: Final = 0.9
"""Probability from which on a classifier is called sure of a label."""


@final
@dataclass(frozen=True)
class LabelFigures:
    """How sure a classifier is of samples, and of which labels.

    Read them beside those of real images: samples of which it is surer than of those are of too little variety.

    Attributes:
        confidence: mean probability of the likeliest label.
        sure: share of samples whose likeliest label has probability `SURE` or more.
        label_counts: samples of every likeliest label, int64 [K].
        imbalance: total variation between the shares of labels and those of the data, in [0, 1].
    """

    confidence: float
    sure: float
    label_counts: Tensor
    imbalance: float


def label_figures(classifier: Classifier, points: Tensor, data_labels: Tensor) -> LabelFigures:
    """Ask a classifier.

    Args:
        classifier: of the same data.
        points: samples [N, C, H, W] in [-1, 1].
        data_labels: labels of the training images, int64 [M].
    """
    best, labels = classifier.probabilities(points).cpu().max(-1)
    counts = torch.bincount(labels, minlength=classifier.classes)
    wanted = torch.bincount(data_labels, minlength=classifier.classes).double() / len(data_labels)
    imbalance = (counts.double() / len(labels) - wanted).abs().sum() / 2
    return LabelFigures(float(best.mean()), float((best >= SURE).double().mean()), counts, float(imbalance))
