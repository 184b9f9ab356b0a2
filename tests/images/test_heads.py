"""The three heads: what each is fitted to, and where jumps can land."""

import pytest
import torch

from gm_multimodal.images.heads import VELOCITY, Heads, data_bins, landing_bins
from gm_multimodal.noise import SharedNoise
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.spaces.euclidean import Euclidean

PATH = GaussianPath(Euclidean(1))
HEADS = Heads(PATH, data_bins(5), levels=5)
LEVELS = torch.linspace(-1, 1, 5, dtype=torch.float64)
LAW = torch.tensor([0.1, 0.3, 0.0, 0.2, 0.4], dtype=torch.float64)


def posterior(x, t):
    """P(z | x_t = x) of five levels, [n, 5]."""
    return (LAW.log() + PATH.log_prob(x, t, LAW.expand(len(x), 5) * 0 + LEVELS)).softmax(-1)


@pytest.fixture(scope="module", params=[0.02, 0.3, 0.7, 0.97])
def fitted(request):
    """Points, times, and what the heads say when their expected loss is least."""
    t = torch.full((6,), request.param, dtype=torch.float64)
    x = torch.linspace(-1.4, 1.6, 6, dtype=torch.float64)[:, None]
    output = torch.zeros(6, *HEADS.output_shape, dtype=torch.float64, requires_grad=True)
    weights = posterior(x, t)
    optimiser = torch.optim.LBFGS([output], max_iter=2000, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def expected():
        optimiser.zero_grad()
        prediction = HEADS(output, x, t)
        losses = torch.stack([prediction.loss(z.expand(6, 1)) for z in LEVELS], -1)
        loss = (weights * losses).sum()
        loss.backward()
        return loss

    optimiser.step(expected)
    return x, t, weights, HEADS(output.detach(), x, t)


def test_the_velocity_is_fitted_to_the_mean_velocity(fitted):
    x, t, weights, prediction = fitted
    each = torch.cat([PATH.velocity(x, t, z - x) for z in LEVELS], -1)
    torch.testing.assert_close(prediction.velocity().velocity[:, 0], (weights * each).sum(-1), atol=2e-3, rtol=1e-3)


def test_the_rates_are_fitted_to_the_mean_rates(fitted):
    _, _, weights, prediction = fitted
    rates = prediction.rates()
    wanted = sum(w[:, None] * rates.target_rates(z.expand(6, 1))[:, 0] for w, z in zip(weights.T, LEVELS, strict=True))
    got = (rates.log_rate[..., None] + rates.logits.log_softmax(-1)).exp()[:, 0]
    torch.testing.assert_close(got, wanted, atol=2e-3, rtol=1e-2)
    torch.testing.assert_close(prediction.generator().rate[:, 0], wanted.sum(-1), atol=2e-3, rtol=1e-2)


def test_the_posterior_is_fitted_to_the_posterior(fitted):
    _, _, weights, prediction = fitted
    torch.testing.assert_close(prediction.posterior().logits[:, 0].softmax(-1), weights, atol=2e-3, rtol=1e-2)


def test_no_jump_lands_beyond_the_bins():
    bins = landing_bins(data_bins(17))
    noise = SharedNoise.keyed(0)
    for t in (0.0, 0.2, 0.6):
        landed = PATH.sample_landing(torch.full((4000,), t), torch.ones(4000, 1), noise)
        assert bins.lower < landed.min() and landed.max() < bins.upper
    data = data_bins(17)
    assert landed.max() > 0
    assert PATH.sample_landing(torch.zeros(4000), torch.ones(4000, 1), noise).max() > data.upper


def test_draws_of_the_data_are_levels():
    output = torch.randn(50, *HEADS.output_shape)
    drawn = HEADS(output, torch.randn(50, 1), torch.rand(50)).sample(SharedNoise.keyed(1))
    torch.testing.assert_close(drawn, (drawn * 2).round() / 2, atol=1e-6, rtol=0)


def test_the_velocity_is_the_first_output():
    output = torch.zeros(3, *HEADS.output_shape)
    output[..., VELOCITY] = 0.5
    prediction = HEADS(output, torch.zeros(3, 1), torch.full((3,), 0.6))
    torch.testing.assert_close(prediction.displacement(), torch.full((3, 1), 0.2))
