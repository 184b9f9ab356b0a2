"""What a training on images shows the network: which images, and at which times."""

import pytest
import torch

from gm_multimodal.images.dataset import load_images, points_of
from gm_multimodal.images.product import ImageBatch, Pixels, sites_of
from gm_multimodal.images.training.data import ImageData
from gm_multimodal.images.unet import PIXELS
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import matching_loss
from gm_multimodal.training.every_time import EveryTime
from tests.images.oracle import Oracle

DIGITS = load_images("digits", "test")
PIXELS_OF_DIGITS = Pixels((1, 8, 8), 17, 17)


class Constant:
    """Noise whose uniform draws are all the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def uniform(self, shape):
        return torch.full(shape, self.value)


def batch_of(count: int) -> ImageBatch:
    return ImageBatch.of(sites_of(DIGITS.points()[:count]))


def test_times_are_spread_evenly():
    _, times = EveryTime().draw(batch_of(100), PIXELS_OF_DIGITS.product(), SharedNoise.keyed(0))
    t = times[PIXELS]
    assert torch.equal(t, t[:, :1].expand_as(t)), "an image has one time"
    assert torch.equal((100 * t[:, 0]).floor(), torch.arange(100.0)), "one in every interval"


def test_the_latest_draw_there_is_gives_a_finite_loss():
    """torch.rand returns multiples of 2^-24 below 1; added to 127 the last ones are rounded to 128."""
    batch, product = batch_of(128), PIXELS_OF_DIGITS.product()
    known, times = EveryTime().draw(batch, product, Constant(1 - 2**-24))
    assert float(times[PIXELS].max()) < 1
    oracle = Oracle(DIGITS.images[:128], torch.full((128,), 1 / 128), levels=17, bins=17)
    matching = matching_loss(oracle, product, known, times, SharedNoise.keyed(1), self_condition=False)
    assert matching.total.isfinite()


@pytest.mark.parametrize("mirrored", [False, True])
def test_half_of_the_images_stand_in_the_mirror_if_asked(mirrored):
    from gm_multimodal.images.training.data import _ImageRows

    shown = _ImageRows(DIGITS, mirrored)[[5, 6, 7, 8]].state[PIXELS]
    images = points_of(DIGITS.images[5:9], 17)
    if mirrored:
        images[::2] = images[::2].flip(-1)
    assert torch.equal(shown, sites_of(images))
    data = ImageData(DIGITS, DIGITS, 4, mirrored, seed=0)
    assert data.has_validation
