"""Clocks: increasing bijections of [0, 1]."""

import pytest
import torch

from gm_multimodal.schedules import Exponential, Linear

pytestmark = pytest.mark.theory

CLOCKS = pytest.mark.parametrize("clock", [Linear(), Exponential(1e-3), Exponential(5.0), Exponential(30.0)], ids=str)


@CLOCKS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_clock_is_exact_at_the_ends(clock, dtype):
    ends = torch.tensor([0.0, 1.0], dtype=dtype)
    assert torch.equal(clock(ends), ends)


@CLOCKS
def test_a_clock_increases(clock):
    t = torch.linspace(0, 1, 1001, dtype=torch.float64, requires_grad=True)
    tau = clock(t)
    (rate,) = torch.autograd.grad(tau.sum(), t)
    assert (tau.diff() > 0).all()
    assert (rate[:-1] > 0).all()
    assert tau.min() == 0
    assert tau.max() == 1


@pytest.mark.parametrize("c", [0.1, 5.0])
def test_the_exponential_clock_closes_its_gap_at_a_constant_rate(c):
    """d tau/dt = c / (1 - e^-c) - c tau: the speed falls linearly in tau, by e^-c in all."""
    t = torch.linspace(0, 0.999, 50, dtype=torch.float64, requires_grad=True)
    clock = Exponential(c)
    tau = clock(t)
    (rate,) = torch.autograd.grad(tau.sum(), t)
    expected = c / (1 - torch.exp(torch.tensor(-c, dtype=torch.float64))) - c * tau
    torch.testing.assert_close(rate, expected, atol=1e-12, rtol=0)


def test_a_slow_exponential_clock_is_linear():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(Exponential(1e-9)(t), t, atol=1e-9, rtol=0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        Exponential(rate)
