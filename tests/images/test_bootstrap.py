"""The error of a Fréchet distance by redraws is that of independent samples."""

import pytest
import torch

from gm_multimodal.frechet import frechet_distance
from gm_multimodal.images.quality.bootstrap import bootstrap_error


def test_the_bootstrap_finds_the_deviation_over_independent_samples():
    """200 independent distances of 400 rows; the bootstrap from one of them is within 30 % of their deviation."""
    rng = torch.Generator().manual_seed(4)
    data = torch.randn(4000, 2, generator=rng, dtype=torch.float64)
    samples = [torch.randn(400, 2, generator=rng, dtype=torch.float64) * 1.5 for _ in range(200)]
    deviation = torch.tensor([frechet_distance(x, data) for x in samples]).std()
    estimates = torch.tensor([bootstrap_error(x, data, seed=k, draws=100) for k, x in enumerate(samples[:5])])
    assert estimates.mean() == pytest.approx(float(deviation), rel=0.3)
    assert bootstrap_error(samples[0], data, seed=0) == bootstrap_error(samples[0], data, seed=0)
