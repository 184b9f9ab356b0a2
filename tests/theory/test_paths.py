"""Paths: p_0 is the prior, p_1 is the point z, and in between the laws that the densities state."""

import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.oracle import total_variation
from gm_multimodal.spaces.rotations import rotation_angle
from tests.theory.factors import CONDOT, FACTORS, GEODESIC, MASKING, ROTATIONS, SO3, TRANSLATIONS

pytestmark = pytest.mark.theory

N = 20_000
PATHS = pytest.mark.parametrize("case", FACTORS, ids=lambda case: case.name)


def draw(case, t: float, seed: int):
    """n draws of p_t(. | z) and the z of each, all different."""
    noise = SharedNoise.keyed(seed)
    z = case.draw(N, torch.Generator().manual_seed(seed))
    x0 = case.space.prior((N,), noise)
    return x0, z, case.path.sample(x0, z, torch.full((N,), t), noise)


@PATHS
def test_the_path_starts_at_the_draw_of_the_prior(case):
    x0, _, x = draw(case, 0.0, 1)
    torch.testing.assert_close(x, x0, atol=1e-6, rtol=0)


@PATHS
def test_the_path_ends_at_z_exactly(case):
    _, z, x = draw(case, 1.0, 2)
    assert torch.equal(x, z)


@PATHS
def test_every_entry_has_its_own_time(case):
    noise = SharedNoise.keyed(3)
    z = case.draw(60, torch.Generator().manual_seed(3)).unflatten(0, (20, 3))
    x0 = case.space.prior((20, 3), noise)
    x = case.path.sample(x0, z, torch.tensor([0.0, 0.5, 1.0]).expand(20, 3), noise)
    torch.testing.assert_close(x[:, 0], x0[:, 0], atol=1e-6, rtol=0)
    assert torch.equal(x[:, 2], z[:, 2])
    assert case.space.contains(x).all()


@pytest.mark.parametrize("t", [0.2, 0.7])
def test_the_gaussian_path_has_its_mean_and_covariance(t):
    """N(t z, (1 - t)^2 I): mean and covariance of n = 20,000 within 4 standard errors."""
    _, z, x = draw(TRANSLATIONS, t, 4)
    residual = (x - t * z) / (1 - t)
    assert residual.mean(0).abs().max() < 4 / N**0.5
    assert (residual.T.cov() - torch.eye(3)).abs().max() < 4 * (2 / N) ** 0.5


@pytest.mark.parametrize("t", [0.0, 0.2, 0.7, 0.99])
def test_the_geodesic_path_shrinks_every_distance_by_what_remains(t):
    x0, z, x = draw(ROTATIONS, t, 5)
    torch.testing.assert_close(rotation_angle(x, z), (1 - t) * rotation_angle(x0, z), atol=2e-3, rtol=0)
    direction = SO3.log(z, x0), SO3.log(z, x)
    cosine = torch.nn.functional.cosine_similarity(*direction, dim=-1)
    generic = rotation_angle(x0, z) < 3.1  # at the angle pi the shortest way is not unique
    assert cosine[generic].min() > 0.999


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_the_geodesic_density_is_that_of_the_path(t):
    """Bins of equal mass under (1 - cos w)/pi p_t: the histogram of n = 20,000 angles is flat up to noise."""
    _, z, x = draw(ROTATIONS, t, 6)
    angle = rotation_angle(x, z).double()
    edges = torch.linspace(0, torch.pi * (1 - t), 4001, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    about = SO3.exp(torch.eye(3, dtype=torch.float64), middle[:, None] * torch.tensor([0.0, 0.0, 1.0]).double())
    at = torch.full_like(middle, t)
    density = ROTATIONS.log_density(about, at, torch.eye(3, dtype=torch.float64)).exp() * (1 - middle.cos())
    cumulative = torch.cat([torch.zeros(1), density.cumsum(0) / density.sum()])
    share = cumulative[torch.bucketize(angle, edges).clamp(max=4000)]
    flat = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    assert (share.sort().values - flat).abs().max() < 1.63 / N**0.5 + 1e-3


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8])
def test_the_masking_path_shows_z_with_probability_t(t):
    """Share of masks within 4 standard errors of 1 - t; whatever is shown is z."""
    noise = SharedNoise.keyed(7)
    z = torch.randint(4, (N,), generator=torch.Generator().manual_seed(7))
    x = MASKING.sample(MASKING.space.prior((N,), noise), z, torch.full((N,), t), noise)
    is_masked = x == MASKING.space.mask
    assert abs(float(is_masked.float().mean()) - (1 - t)) <= 4 * (t * (1 - t) / N) ** 0.5
    assert torch.equal(x[~is_masked], z[~is_masked])


def test_a_single_turn_goes_half_way_at_half_time():
    start = torch.eye(3)[None]
    z = SO3.exp(start, torch.tensor([[0.0, 0.0, 2.0]]))
    x = GEODESIC.sample(start, z, torch.tensor([0.5]), SharedNoise.keyed(0))
    torch.testing.assert_close(x, SO3.exp(start, torch.tensor([[0.0, 0.0, 1.0]])), atol=1e-6, rtol=0)


def test_the_straight_line_goes_half_way_at_half_time():
    x = CONDOT.sample(torch.zeros(1, 3), torch.ones(1, 3), torch.tensor([0.5]), SharedNoise.keyed(0))
    assert torch.equal(x, torch.full((1, 3), 0.5))


def test_the_histogram_distance_tells_a_shift_from_noise():
    noise = SharedNoise.keyed(8)
    a, b = noise.normal((N,)), noise.normal((N,))
    assert total_variation(a, b) < 0.03
    assert total_variation(a, b + 0.2) > 0.06
    assert total_variation(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 2])) == pytest.approx(2 / 3)
