"""Fréchet distances agree with closed forms."""

import pytest
import torch

from gm_multimodal.frechet import Moments, frechet_distance


def random_covariance(dim: int, rng: torch.Generator) -> torch.Tensor:
    root = torch.randn(dim, dim, generator=rng, dtype=torch.float64)
    return root @ root.T


def test_commuting_covariances_give_the_distance_of_deviations():
    rng = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(5, 5, generator=rng, dtype=torch.float64))
    a, b = (torch.rand(5, generator=rng, dtype=torch.float64) for _ in range(2))
    mean = torch.arange(5.0, dtype=torch.float64)
    first, second = Moments(mean, basis @ a.diag() @ basis.T), Moments(2 * mean, basis @ b.diag() @ basis.T)
    wanted = mean.square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert first.distance(second) == pytest.approx(float(wanted), rel=1e-10)
    assert second.distance(first) == pytest.approx(float(wanted), rel=1e-10)


def test_any_two_covariances_in_the_plane_give_the_closed_form():
    """tr (S S')^1/2 = sqrt(tr S S' + 2 sqrt(det S S')) for 2 x 2 matrices."""
    rng = torch.Generator().manual_seed(1)
    zero = torch.zeros(2, dtype=torch.float64)
    for _ in range(10):
        s, other = random_covariance(2, rng), random_covariance(2, rng)
        overlap = ((s @ other).trace() + 2 * (s @ other).det().sqrt()).sqrt()
        wanted = s.trace() + other.trace() - 2 * overlap
        assert Moments(zero, s).distance(Moments(zero, other)) == pytest.approx(float(wanted), rel=1e-8)


def test_a_linear_map_of_the_identity_and_a_singular_covariance():
    rng = torch.Generator().manual_seed(2)
    zero, s = torch.zeros(6, dtype=torch.float64), random_covariance(6, rng)
    identity = Moments(zero, torch.eye(6, dtype=torch.float64))
    roots = torch.linalg.eigvalsh(s).sqrt()
    assert identity.distance(Moments(zero, s)) == pytest.approx(float((roots - 1).square().sum()), rel=1e-8)
    assert identity.distance(Moments(zero, 0 * s)) == pytest.approx(6)


def test_a_set_is_at_no_distance_from_itself_and_a_shift_counts_squared():
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(3))
    assert frechet_distance(x, x) < 1e-10
    assert frechet_distance(x, x + 0.5) == pytest.approx(8 * 0.25, rel=1e-5)
    few = x[:4]  # fewer rows than columns: the covariance is singular
    assert frechet_distance(few, few) < 1e-6
