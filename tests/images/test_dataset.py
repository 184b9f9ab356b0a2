"""Image data sets: the digits that ship."""

import torch

from gm_multimodal.images.dataset import levels_of, load_images


def test_the_digits_are_split_once_and_for_all():
    train, test = load_images("digits", "train"), load_images("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.shape == (1, 8, 8) and train.levels == 17 and int(train.images.max()) == 16
    for part in (train, test):
        assert (part.labels.bincount() * 10 / len(part) - 1).abs().max() < 0.05, "a split that favours digits"


def test_levels_go_to_points_and_back():
    digits = load_images("digits", "test")
    points = digits.points()
    assert points.dtype == torch.float32 and points.min() == -1 and points.max() == 1
    assert torch.equal(levels_of(points, digits.levels), digits.images)
    assert torch.equal(levels_of(torch.tensor([-3.0, 0.1, 7.0]), 3), torch.tensor([0, 1, 2], dtype=torch.uint8))
