"""Distances of distributions: known cases."""

import numpy as np
import pytest

from gm_multimodal.protein.metrics.distributions import (
    circular_wasserstein_distance,
    standardised_frechet_distance,
    wasserstein_distance,
)


def test_standardised_frechet_distance_of_a_sample_with_itself_is_nought():
    x = np.random.default_rng(0).normal(size=(50, 4))
    assert standardised_frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)


def test_standardised_frechet_distance_of_gaussians_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20_000, 1)), 3 * rng.normal(size=(20_000, 1)) + 6
    # in units of the second: means 0 and 2, standard deviations 1/3 and 1; 20,000 draws leave about 0.03
    assert standardised_frechet_distance(x, y) == pytest.approx(4 + (1 - 1 / 3) ** 2, abs=0.1)


def test_standardised_frechet_distance_sees_correlation():
    rng = np.random.default_rng(2)
    free, tied = rng.normal(size=(2000, 2)), np.repeat(rng.normal(size=(2000, 1)), 2, axis=1)
    assert standardised_frechet_distance(tied, free) > 0.4


def test_standardised_frechet_distance_has_no_units():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(60, 3)) + 1
    units = np.array([1, 100, 0.01])
    expected = standardised_frechet_distance(x, y)
    assert standardised_frechet_distance(x * units, y * units) == pytest.approx(expected)


def test_wasserstein_distance_of_shifted_samples_is_the_shift():
    x = np.random.default_rng(4).normal(size=37)
    assert wasserstein_distance(x, x + 2.5) == pytest.approx(2.5)
    assert wasserstein_distance(np.array([0.0]), np.array([0.0, 1.0])) == pytest.approx(0.5)
    assert wasserstein_distance(x, np.tile(x, 3)) == pytest.approx(0.0, abs=1e-12)


def test_angles_are_compared_around_the_circle():
    x = np.full(10, 175.0)
    assert circular_wasserstein_distance(x, np.full(10, -175.0)) == pytest.approx(10.0)
    assert circular_wasserstein_distance(x, x) == 0.0
    y = np.random.default_rng(5).uniform(-180, 180, 500)
    assert circular_wasserstein_distance(y, y + 90) <= 90
