"""The axioms of the spaces, each written once; rotations against e3nn's algebra."""

import pytest
import torch
from e3nn import o3

from gm_multimodal.noise import SharedNoise
from gm_multimodal.spaces.categorical import Categorical, MaskedCategorical, draw_categorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.interval import Interval
from gm_multimodal.spaces.rotations import (
    Rotations,
    quaternion_to_matrix,
    rotation_angle,
    rotation_exp,
    rotation_log,
)
from gm_multimodal.spaces.torus import Torus

pytestmark = pytest.mark.theory

SO3 = Rotations()
MANIFOLDS = pytest.mark.parametrize("space", [Euclidean(3), Euclidean(2, scale=0.5), Torus(2), SO3], ids=str)
SPACES = pytest.mark.parametrize(
    "space",
    [Euclidean(3), Torus(2), SO3, Interval(-1.0, 2.0), MaskedCategorical(4), Categorical(4)],
    ids=str,
)


def noise(seed: int = 0, dtype: torch.dtype = torch.float64) -> SharedNoise:
    return SharedNoise(torch.Generator().manual_seed(seed), dtype)


def turns(n: int, seed: int = 0) -> torch.Tensor:
    return SO3.prior((n,), noise(seed))


@SPACES
def test_the_prior_lives_in_the_space(space):
    x = space.prior((50, 4), noise())
    assert x.shape == (50, 4, *space.event_shape)
    assert space.contains(x).shape == (50, 4)
    assert space.contains(x).all()


@pytest.mark.parametrize(
    ("space", "x"),
    [
        (Euclidean(2), [[0.0, float("nan")], [float("inf"), 0.0]]),
        (SO3, [[[1.0, 0, 0], [0, 1, 0], [0, 0, -1]], [[1.1, 0, 0], [0, 1, 0], [0, 0, 1]]]),
        (Torus(1), [[3.2], [-4.0]]),
        (Interval(-1.0, 2.0), [[-1.1], [2.1]]),
        (MaskedCategorical(4), [-1, 5]),
        (Categorical(4), [-1, 4]),
    ],
    ids=str,
)
def test_what_is_outside_is_outside(space, x):
    assert not space.contains(torch.tensor(x)).any()


@MANIFOLDS
def test_exp_inverts_log(space):
    x, y = space.prior((1000,), noise(1)), space.prior((1000,), noise(2))
    torch.testing.assert_close(space.exp(x, space.log(x, y)), y, atol=1e-12, rtol=0)


@MANIFOLDS
def test_log_inverts_exp_within_the_injectivity_radius(space):
    x = space.prior((1000,), noise(3))
    direction = torch.nn.functional.normalize(noise(4).normal((1000, space.event_shape[0])), dim=-1)
    v = direction * 3.1 * noise(5).uniform((1000, 1))
    torch.testing.assert_close(space.log(x, space.exp(x, v)), v, atol=1e-11, rtol=0)


@MANIFOLDS
def test_geodesics_have_constant_speed(space):
    x, y = space.prior((200,), noise(6)), space.prior((200,), noise(7))
    v = space.log(x, y)
    rest = space.log(space.exp(x, 0.3 * v), y)
    torch.testing.assert_close(rest.norm(dim=-1), 0.7 * v.norm(dim=-1), atol=1e-12, rtol=0)


def test_a_thousand_steps_leave_rotations_orthogonal():
    """In single precision: 64 walks of steps between 0 and pi; without correction they end 2e-5 off."""
    draws = noise(9, torch.float32)
    x = SO3.prior((64,), draws)
    for _ in range(1000):
        x = SO3.exp(x, draws.normal((64, 3)))
    defect = (x.double() @ x.double().mT - torch.eye(3, dtype=torch.float64)).abs().max()
    assert defect < 1e-6


@MANIFOLDS
def test_a_point_is_at_no_distance_from_itself(space):
    x = space.prior((200,), noise(8))
    assert space.log(x, x).norm(dim=-1).max() < 1e-14
    torch.testing.assert_close(space.exp(x, torch.zeros_like(space.log(x, x))), x, atol=1e-15, rtol=0)


def test_log_is_accurate_at_and_near_the_angle_pi():
    axis = torch.nn.functional.normalize(noise(9).normal((500, 3)), dim=-1)
    for angle in (torch.pi, torch.pi - 1e-9, torch.pi - 1e-4):
        turn = rotation_exp(angle * axis)
        v = rotation_log(turn)
        torch.testing.assert_close(v.norm(dim=-1), torch.full((500,), angle, dtype=v.dtype), atol=1e-9, rtol=0)
        torch.testing.assert_close(rotation_exp(v), turn, atol=1e-9, rtol=0)


def test_log_keeps_small_angles_in_single_precision():
    v = 1e-4 * torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotation_log(rotation_exp(v)), v, atol=1e-7, rtol=0)


def test_rotations_agree_with_e3nn():
    v = 3.0 * torch.nn.functional.normalize(noise(10).normal((500, 3)), dim=-1) * noise(11).uniform((500, 1))
    angle = v.norm(dim=-1)
    axis = v / angle[:, None]
    turn = o3.axis_angle_to_matrix(axis, angle)
    torch.testing.assert_close(rotation_exp(v), turn, atol=1e-12, rtol=0)
    torch.testing.assert_close(rotation_log(turn), v, atol=1e-11, rtol=0)
    torch.testing.assert_close(quaternion_to_matrix(o3.axis_angle_to_quaternion(axis, angle)), turn, atol=1e-12, rtol=0)
    torch.testing.assert_close(rotation_angle(turns(500), turns(500) @ turn), angle, atol=1e-11, rtol=0)


def test_a_quaternion_stands_for_its_ray():
    q = noise(12).normal((100, 4))
    torch.testing.assert_close(quaternion_to_matrix(-3 * q), quaternion_to_matrix(q), atol=1e-14, rtol=0)


def test_the_prior_on_rotations_is_haar_measure():
    """Angle density (1 - cos w) / pi, uniform axis, and invariance under a turn; Kolmogorov-Smirnov, n = 20,000."""
    n = 20_000
    x, fixed = turns(n, 13), turns(1, 14)
    limit = 1.63 / n**0.5  # the 1 % point of the Kolmogorov-Smirnov distance
    for sample in (x, fixed @ x, x @ fixed):
        v = rotation_log(sample)
        angle = v.norm(dim=-1)
        height = v[:, 2] / angle  # uniform on [-1, 1] where the axis is uniform on the sphere
        for value in ((angle - angle.sin()) / torch.pi, (height + 1) / 2):
            grid = torch.arange(1, n + 1, dtype=torch.float64) / n
            assert (value.sort().values - grid).abs().max() < limit


def test_the_euclidean_prior_has_the_scale_it_was_given():
    x = Euclidean(2, scale=0.5).prior((20_000,), noise(15))
    assert x.mean(0).abs().max() < 4 * 0.5 / 20_000**0.5
    assert (x.std(0) - 0.5).abs().max() < 4 * 0.5 / 40_000**0.5


def test_the_masked_prior_is_the_mask():
    space = MaskedCategorical(4)
    assert (space.prior((3, 2), noise()) == space.mask).all()
    assert space.mask == 4


def test_rotation_exp_has_finite_exact_derivatives_at_zero():
    v = torch.cat([torch.zeros(2, 3), torch.randn(3, 3, generator=torch.Generator().manual_seed(1))]).double()
    assert torch.autograd.gradcheck(rotation_exp, v.requires_grad_())
    for dtype in (torch.float32, torch.float64):
        jacobian = torch.autograd.functional.jacobian(rotation_exp, torch.zeros(3, dtype=dtype))
        generators = torch.zeros(3, 3, 3, dtype=dtype)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            generators[k, j, i], generators[j, k, i] = 1, -1
        torch.testing.assert_close(jacobian, generators, atol=1e-15, rtol=0)


def test_draws_follow_their_probabilities():
    """n = 40,000 draws of each row: every share within 4 standard errors."""
    n, rows = 40_000, torch.tensor([[0.5, 0.2, 0.3, 0.0], [0.0, 0.0, 1.0, 0.0], [0.01, 0.01, 0.0, 0.98]])
    drawn = draw_categorical(rows.expand(n, 3, 4), noise(16, torch.float32))
    shares = torch.nn.functional.one_hot(drawn, 4).double().mean(0)
    assert ((shares - rows).abs() <= 4 * (rows * (1 - rows) / n).sqrt()).all()


@pytest.mark.parametrize("u", [0.0, 0.3, 1 - 2**-24, 1.0])
def test_a_state_of_probability_zero_is_never_drawn(u):
    class Constant:
        def uniform(self, shape):
            return torch.full(shape, u)

    rows = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0], [0.3, 0.7, 0.0, 0.0, 0.0]])
    drawn = draw_categorical(rows, Constant())
    assert (rows.gather(-1, drawn[:, None]) > 0).all()


@pytest.mark.parametrize("space", [Torus(2), SO3], ids=str)
def test_distances_of_uniform_points_have_the_radial_density(space):
    """Kolmogorov-Smirnov distance of n = 20,000 below its 1 % point; directions have length 1 in every part."""
    n = 20_000
    v = space.log(space.prior((n,), noise(20)), space.prior((n,), noise(21)))
    r = space.lengths(v).reshape(n, -1)[:, 0]
    grid = torch.linspace(0, space.radius, 4001, dtype=torch.float64)
    below = torch.cumulative_trapezoid(space.radial_density(grid), grid)
    share = below[torch.bucketize(r, grid[1:]).clamp(max=3999)]
    expected = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    assert (share.sort().values - expected).abs().max() < 1.63 / n**0.5 + 1e-3
    lengths = space.lengths(space.directions((50,), noise(22)))
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_walk_is_reflected_at_the_ends_of_an_interval():
    space = Interval(-1.0, 2.0)
    x, v = torch.tensor([[1.5], [1.5], [-0.5], [0.0]]), torch.tensor([[1.0], [4.0], [-1.5], [0.25]])
    torch.testing.assert_close(space.exp(x, v), torch.tensor([[1.5], [-0.5], [0.0], [0.25]]))
