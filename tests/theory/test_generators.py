"""Generators against closed forms of L f, on every space; and how they are scaled and added."""

import math

import pytest
import torch
from torch import Tensor

from gm_multimodal.generators import AtomicJump, DensityJump, Diffusion, Drift, Sum
from gm_multimodal.spaces.categorical import Categorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.spaces.torus import Torus
from tests.theory.cases import generic, observable, stream

pytestmark = pytest.mark.theory

N = 40
PLANE, SO3, RING, SET = Euclidean(2), Rotations(), Torus(1), Categorical(3)


def apply(generator, f, x: Tensor, space) -> Tensor:
    return generator.apply(f, x, space, stream(9))


def test_a_drift_differentiates_along_its_velocity():
    """f = x^2 y: u_x 2 x y + u_y x^2. f = trace(A R): trace(A R [u]_x)."""
    x, u = stream(1).normal((N, 2)), stream(2).normal((N, 2))
    expected = u[:, 0] * 2 * x[:, 0] * x[:, 1] + u[:, 1] * x[:, 0] ** 2
    torch.testing.assert_close(apply(Drift(u), lambda p: p[..., 0] ** 2 * p[..., 1], x, PLANE), expected)
    turns, w, a = SO3.prior((N,), stream(3)), stream(4).normal((N, 3)), stream(5).normal((3, 3))
    cross = torch.zeros(N, 3, 3, dtype=torch.float64)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[:, j, i], cross[:, i, j] = w[:, k], -w[:, k]
    expected = torch.einsum("ij,njk,nki->n", a, turns, cross)
    torch.testing.assert_close(apply(Drift(w), lambda r: (a.mT * r).sum((-2, -1)), turns, SO3), expected)


def test_a_diffusion_is_half_the_laplacian():
    """R^2: f = x^4 + 3 y^2 gives s_x 6 x^2 + s_y 3. Torus: -1/2 cos. SO(3): trace R is an eigenfunction, -2 trace R."""
    x, s = stream(1).normal((N, 2)), stream(2).uniform((N, 2))
    expected = s[:, 0] * 6 * x[:, 0] ** 2 + s[:, 1] * 3
    torch.testing.assert_close(apply(Diffusion(s), lambda p: p[..., 0] ** 4 + 3 * p[..., 1] ** 2, x, PLANE), expected)
    angle, one = RING.prior((N,), stream(3)), torch.ones(N, 1, dtype=torch.float64)
    torch.testing.assert_close(apply(Diffusion(one), lambda p: p[..., 0].cos(), angle, RING), -0.5 * angle[:, 0].cos())

    def trace(r: Tensor) -> Tensor:
        return r.diagonal(dim1=-2, dim2=-1).sum(-1)

    turns = SO3.prior((N,), stream(4))
    found = apply(Diffusion(torch.full((N, 3), 0.7, dtype=torch.float64)), trace, turns, SO3)
    torch.testing.assert_close(found, 0.5 * 0.7 * -2 * trace(turns), rtol=1e-10, atol=1e-10)


def test_a_jump_sums_over_its_atoms():
    """On a set, the row of a rate matrix times f; what stands at x itself has no effect."""
    table, x = torch.tensor([2.0, -1.0, 5.0], dtype=torch.float64), torch.tensor([0, 1, 2])
    rates = torch.tensor([[9.0, 1.0, 2.0], [0.5, 9.0, 0.0], [3.0, 0.0, 9.0]], dtype=torch.float64)
    found = apply(AtomicJump(rates, torch.arange(3)), lambda k: table[k], x, SET)
    torch.testing.assert_close(found, torch.tensor([1 * -3.0 + 2 * 3.0, 0.5 * 3.0, 3 * -3.0], dtype=torch.float64))
    atoms, q = generic(SO3, 4, 1), stream(2).uniform((N, 4))
    f, turns = observable(SO3), SO3.prior((N,), stream(3))
    expected = (q * (f(atoms)[None] - f(turns)[:, None])).sum(-1)
    torch.testing.assert_close(apply(AtomicJump(q, atoms), f, turns, SO3), expected)


def test_a_step_of_a_jump_lands_by_the_rates():
    n, h = 40_000, 0.1
    rates = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64).expand(n, 3)
    start, step = torch.zeros(n, dtype=torch.int64), torch.full((n,), h, dtype=torch.float64)
    shares = AtomicJump(rates, torch.arange(3)).step(start, step, SET, stream(1)).bincount(minlength=3) / n
    expected = torch.tensor([1 - 3 * h, 2 * h, h])
    assert ((shares - expected).abs() < 4 * (expected * (1 - expected) / n).sqrt()).all()


def test_parts_jump_one_at_a_time():
    """L f = sum_i lambda_i (f(x with x_i -> y_i) - f(x)), proposition 4; a step moves each part on its own."""
    x, y, rate = stream(1).normal((N, 2)), stream(2).normal((N, 2)), stream(3).uniform((N, 2))
    f, jump = observable(PLANE), DensityJump(rate, lambda noise: y)
    first, second = torch.stack([y[:, 0], x[:, 1]], -1), torch.stack([x[:, 0], y[:, 1]], -1)
    expected = rate[:, 0] * (f(first) - f(x)) + rate[:, 1] * (f(second) - f(x))
    torch.testing.assert_close(apply(jump, f, x, PLANE), expected)
    n, zero = 40_000, torch.zeros(40_000, 2, dtype=torch.float64)
    rates = torch.tensor([1.0, 3.0], dtype=torch.float64).expand(n, 2)
    moved = DensityJump(rates, lambda noise: zero + 1).step(zero, torch.full((n,), 0.1).double(), PLANE, stream(4))
    shares = torch.stack([moved[:, 0].mean(), moved[:, 1].mean(), moved.prod(-1).mean()])
    assert ((shares - torch.tensor([0.1, 0.3, 0.03])).abs() < 4 * 0.5 / n**0.5).all()


def test_a_rotation_jumps_as_a_whole():
    turns, there, rate = SO3.prior((N,), stream(1)), SO3.prior((N,), stream(2)), stream(3).uniform((N,))
    f = observable(SO3)
    found = apply(DensityJump(rate, lambda noise: there), f, turns, SO3)
    torch.testing.assert_close(found, rate * (f(there) - f(turns)))


WEIGHT = torch.linspace(0.1, 2, N, dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.3, WEIGHT], ids=["number", "per row"])
def test_a_scaled_generator_is_a_multiple_and_a_sum_is_a_sum(weight):
    x, f = stream(1).normal((N, 2)), observable(PLANE)
    u, s, y = stream(2).normal((N, 2)), stream(3).uniform((N, 2)), stream(4).normal((N, 2))
    atoms = generic(PLANE, 3, 5)
    parts = (Drift(u), Diffusion(s), AtomicJump(stream(6).uniform((N, 3)), atoms), DensityJump(s, lambda noise: y))
    values = [apply(part, f, x, PLANE) for part in parts]
    torch.testing.assert_close(apply(Sum(parts), f, x, PLANE), torch.stack(values).sum(0))
    for part, value in zip((*parts, Sum(parts)), (*values, sum(values)), strict=True):
        torch.testing.assert_close(apply(part.scaled(weight), f, x, PLANE), weight * value)


def test_brownian_motion_on_rotations_forgets_at_the_rate_of_its_laplacian():
    """200 steps of a diffusion with s = 1 from the identity to time 1: E trace R = 3 exp(-1) within 4 deviations."""
    n = 4000
    turns, step = torch.eye(3, dtype=torch.float64).expand(n, 3, 3), torch.full((n,), 1 / 200, dtype=torch.float64)
    noise, diffusion = stream(1), Diffusion(torch.ones(n, 3, dtype=torch.float64))
    for _ in range(200):
        turns = diffusion.step(turns, step, SO3, noise)
    trace = turns.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(float(trace.mean()) - 3 * math.exp(-1)) < 4 * float(trace.std()) / n**0.5
