"""The trunk commutes with rigid motions, exactly, whatever its weights are."""

import pytest
import torch
from e3nn.util.test import assert_equivariant

from gm_multimodal.networks.frames import PAIR_GEOMETRY, Frames, pair_features
from tests.networks.trunks import every_kind, random_previous, random_state, random_times, random_trunk, sites_of

pytestmark = pytest.mark.theory

ROWS, SITES = 2, 9
POINTS, AXES = "cartesian_points", "3x1o"


@pytest.fixture(autouse=True)
def double_algebra():
    """e3nn computes its Wigner matrices in torch's default type: single precision would be an error of 5e-7."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def as_axes(rotations):
    """The three axes of a frame side by side: what a turn of the world does to them is three vectors of e3nn."""
    return rotations.mT.flatten(-2)


def as_function(kind, dtype, *, feeds_back: bool):
    """The trunk as a function of tensors that turn: frames in, endpoint and invariants out."""
    trunk = random_trunk(dtype, kind=kind, components=3)
    state = random_state(ROWS, SITES, dtype)
    previous = random_previous(ROWS, SITES, dtype)
    times = random_times(ROWS, SITES, dtype)
    sites = sites_of(torch.ones(ROWS, SITES, dtype=torch.bool))

    def function(x, axes, x_previous=None, axes_previous=None):
        fed_back = None
        if feeds_back:
            rotations = axes_previous.unflatten(-1, (3, 3)).mT
            fed_back = {"translations": x_previous, "rotations": rotations, "sequence": previous["sequence"]}
        moved = {"translations": x, "rotations": axes.unflatten(-1, (3, 3)).mT, "sequence": state["sequence"]}
        output = trunk(moved, times, sites, fed_back)
        return output["translations"], output["rotations"], output["sequence"]

    arguments = [state["translations"], as_axes(state["rotations"])]
    if feeds_back:
        arguments += [previous["translations"], as_axes(previous["rotations"])]
    return function, arguments


@every_kind
@pytest.mark.parametrize("feeds_back", [False, True], ids=["first call", "self-conditioned"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=str)
def test_the_trunk_is_equivariant_under_rotations_and_translations(kind, dtype, tolerance, feeds_back):
    function, arguments = as_function(kind, dtype, feeds_back=feeds_back)
    torch.manual_seed(0)  # the helper draws its motions from the global state: 10 nm and any rotation
    assert_equivariant(
        function,
        args_in=arguments,
        irreps_in=[POINTS, AXES] * (len(arguments) // 2),
        irreps_out=[POINTS, None, None],
        tolerance=tolerance,
        ntrials=3,
        do_parity=False,
    )


@every_kind
def test_the_helper_finds_a_trunk_that_is_not_equivariant(kind):
    """The same test fails where an output depends on the height in the room by one part in a thousand."""
    function, arguments = as_function(kind, torch.float64, feeds_back=False)

    def spoilt(x, axes):
        endpoint, tangent, logits = function(x, axes)
        return endpoint, tangent, logits + 1e-3 * x[..., 2:]

    with pytest.raises(AssertionError, match="equivariance error"):
        assert_equivariant(
            spoilt, args_in=arguments, irreps_in=[POINTS, AXES], irreps_out=[POINTS, None, None], do_parity=False
        )


@every_kind
def test_the_weights_of_these_tests_do_something(kind):
    """Frames move by tenths, and every input matters: otherwise equivariance would be an empty claim."""
    function, arguments = as_function(kind, torch.float64, feeds_back=True)
    plain = function(*arguments)
    assert (plain[0] - arguments[0]).norm(dim=-1).mean() > 0.05
    assert plain[1][..., :3].norm(dim=-1).mean() > 0.05
    for k, argument in enumerate(arguments):
        changed = [*arguments[:k], argument.roll(1, 1), *arguments[k + 1 :]]
        assert (function(*changed)[2] - plain[2]).abs().max() > 1e-2


@every_kind
def test_mirror_images_are_told_apart(kind):
    """Proteins are chiral: reflecting the world is no symmetry of the trunk."""
    function, arguments = as_function(kind, torch.float64, feeds_back=False)
    mirror = torch.tensor([1.0, 1.0, -1.0])
    x, rotations = arguments[0], arguments[1].unflatten(-1, (3, 3)).mT
    reflected = mirror[:, None] * rotations * mirror  # the frames of the mirrored chain, proper again
    assert (function(x * mirror, as_axes(reflected))[2] - function(*arguments)[2]).abs().max() > 1e-2


def test_pair_features_know_relative_frames_alone():
    state = random_state(ROWS, SITES)
    turn = random_state(1, 1, seed=5)["rotations"][0, 0]
    shift = torch.tensor([3.0, -8.0, 1.0])
    frames = Frames(state["translations"], state["rotations"])
    moved = Frames(state["translations"] @ turn.T + shift, turn @ state["rotations"])
    first, second = torch.empty(2, PAIR_GEOMETRY, ROWS, SITES, SITES)
    pair_features(frames, first)
    pair_features(moved, second)
    torch.testing.assert_close(first, second, atol=1e-10, rtol=0)
    assert first.std() > 0.1
