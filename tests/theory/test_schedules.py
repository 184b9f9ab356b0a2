"""Schedules: exact at their ends, with the derivatives that they state; clocks are increasing bijections of [0, 1]."""

import pytest
import torch

from gm_multimodal.schedules import (
    Concentration,
    CondOT,
    Exponential,
    Geometric,
    Linear,
    Power,
    VarianceExploding,
    VariancePreserving,
    Window,
    inverse,
)

pytestmark = pytest.mark.theory

CLOCKS = pytest.mark.parametrize(
    "clock", [Linear(), Power(1.5), Power(2.0), Exponential(1e-3), Exponential(5.0), Exponential(30.0)], ids=str
)
GAUSSIAN = pytest.mark.parametrize("schedule", [CondOT(), VariancePreserving(), VarianceExploding()], ids=str)


@CLOCKS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_clock_is_exact_at_the_ends(clock, dtype):
    ends = torch.tensor([0.0, 1.0], dtype=dtype)
    assert torch.equal(clock(ends), ends)


@CLOCKS
def test_a_clock_can_be_read_backwards(clock):
    tau = torch.linspace(0, 1, 101, dtype=torch.float64)
    t = inverse(clock, tau)
    torch.testing.assert_close(clock(t), tau, atol=1e-6, rtol=0)
    assert (t[0], t[-1]) == (0, 1)


@CLOCKS
def test_a_clock_increases(clock):
    t = torch.linspace(0, 1, 1001, dtype=torch.float64, requires_grad=True)
    tau = clock(t)
    (rate,) = torch.autograd.grad(tau.sum(), t)
    assert (tau.diff() > 0).all()
    assert (rate[1:-1] > 0).all()
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


def slope(f, t):
    return torch.func.jvp(f, (t,), (torch.ones_like(t),))[1]


@pytest.mark.parametrize(
    "schedule",
    [
        Linear(),
        Power(1.0),
        Power(2.5),
        Exponential(0.3),
        Exponential(8.0),
        Concentration(50.0),
        Concentration(),
        Geometric(4.0, 0.01),
        Geometric(0.5, 3.0),
    ],
    ids=str,
)
def test_a_derivative_is_that_of_automatic_differentiation(schedule):
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    torch.testing.assert_close(schedule.derivative(t), slope(schedule, t), rtol=1e-12, atol=1e-12)


@GAUSSIAN
def test_the_derivatives_of_gaussian_coefficients_are_those_of_automatic_differentiation(schedule):
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha_dot(t), slope(schedule.alpha, t), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(schedule.sigma_dot(t), slope(schedule.sigma, t), rtol=1e-12, atol=1e-12)


@GAUSSIAN
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussian_coefficients_are_exact_at_the_ends(schedule, dtype):
    """sigma_0 = 1, alpha_1 = 1, sigma_1 = 0; alpha_0 = 0 unless the variance explodes."""
    ends = torch.tensor([0.0, 1.0], dtype=dtype)
    alpha, sigma = schedule.alpha(ends), schedule.sigma(ends)
    torch.testing.assert_close(sigma[0], torch.ones((), dtype=dtype))
    assert alpha[1] == 1
    assert sigma[1] == 0
    assert alpha[0] == (1 if isinstance(schedule, VarianceExploding) else 0)


def test_a_variance_is_preserved_and_another_explodes_geometrically():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    kept = VariancePreserving()
    torch.testing.assert_close(kept.alpha(t) ** 2 + kept.sigma(t) ** 2, torch.ones_like(t))
    noise = VarianceExploding(1e-3).sigma(t) + 1e-3 / (1 - 1e-3)  # but for the shift that ends it at 0
    torch.testing.assert_close(noise[1:] / noise[:-1], torch.full_like(t[1:], 1e-3**0.01))


def test_concentrations_and_scales_run_between_their_ends():
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(Concentration(50.0)(ends), torch.tensor([0.0, 50.0], dtype=torch.float64))
    torch.testing.assert_close(Geometric(4.0, 0.01)(ends), torch.tensor([4.0, 0.01], dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Power(0.5), "power"),
        (lambda: VarianceExploding(1.0), "ratio"),
        (lambda: Concentration(0.0), "limit"),
        (lambda: Geometric(1.0, 0.0), "last"),
    ],
)
def test_settings_without_meaning_are_refused(make, word):
    with pytest.raises(ValueError, match=word):
        make()


WINDOWS = pytest.mark.parametrize("window", [Window(Exponential(5.0), 0.3, 0.8), Window(Power(2.0), 0.5)], ids=str)


@WINDOWS
def test_a_window_stands_still_outside_and_runs_its_clock_inside(window):
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    tau = window(t)
    assert (tau[t <= window.start] == 0).all()
    assert (tau[t >= window.end] == 1).all()
    inside = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(window(window.start + (window.end - window.start) * inside), window.clock(inside))


@WINDOWS
def test_a_window_states_its_derivative(window):
    t = torch.linspace(0.005, 0.995, 100, dtype=torch.float64, requires_grad=True)
    (rate,) = torch.autograd.grad(window(t).sum(), t)
    torch.testing.assert_close(window.derivative(t.detach()), rate)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.5), (0.8, 0.2), (-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0)])
def test_an_empty_window_is_refused(start, end):
    with pytest.raises(ValueError, match="Window"):
        Window(Linear(), start, end)
