"""Are samples copies of training images? Their nearest ones, beside those of held-out images."""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

QUANTILE: Final = 0.05
"""Share of held-out images that lie within the distance below which a sample counts as close."""

_CHUNK: Final = 500


@final
@dataclass(frozen=True)
class Memorisation:
    """Distances to the nearest training image: root mean square over the pixels, in grey values of [-1, 1].

    Attributes:
        sample_distance: median over the samples.
        held_out_distance: median over the held-out images.
        close: share of samples nearer to a training image than all but the nearest 5 % of the held-out images: about
            0.05 for samples that are as new as these, near 1 for copies.
        nearest: the nearest training image of every sample, int64 [N]; for looking at.
    """

    sample_distance: float
    held_out_distance: float
    close: float
    nearest: Tensor


def memorisation(samples: Tensor, training: Tensor, usual: Tensor) -> Memorisation:
    """Compare samples [N, C, H, W] with held-out images by their distances to training images [M, C, H, W].

    Args:
        samples: points.
        training: points.
        usual: distances of the held-out images, as `nearest_images` gives them.
    """
    distances, nearest = nearest_images(samples, training)
    close = (distances <= usual.quantile(QUANTILE)).double().mean()
    return Memorisation(float(distances.median()), float(usual.median()), float(close), nearest)


def nearest_images(points: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance (root mean square over pixels, float64 [N]) and number [N] of the nearest training image."""
    x, data = points.flatten(1).float(), training.flatten(1).float()
    square = data.square().sum(1)
    # |x - y|^2 but for |x|^2 ranks by one matrix product; the distance itself is then computed without cancellation
    nearest = torch.cat([(square - 2 * part @ data.T).argmin(1) for part in x.split(_CHUNK)])
    return (x.double() - data[nearest].double()).square().mean(1).sqrt(), nearest
