"""The trunk's promises beside equivariance: given frames stay, padding is invisible, gradients are finite."""

import pytest
import torch

from gm_multimodal.errors import UserInputError
from gm_multimodal.networks.frame_trunk import FrameTrunk
from gm_multimodal.networks.frames import PAIR_GEOMETRY, Frames
from gm_multimodal.networks.layers import TimeEmbedding
from gm_multimodal.networks.site_part import SitePart
from gm_multimodal.networks.trunk import CONDITION_STATES
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import matching_loss
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import single_chain
from gm_multimodal.spaces.rotations import Rotations
from tests.networks.trunks import (
    TYPES,
    every_kind,
    random_previous,
    random_state,
    random_times,
    random_trunk,
    sites_of,
    small_trunk,
)

ROWS, SITES = 2, 9
RECORDED = {"translations": 4.694912947201303, "rotations": 5.790516145610587, "sequence": -1.7930468629716656}


def everyone(rows: int = ROWS, sites: int = SITES):
    return sites_of(torch.ones(rows, sites, dtype=torch.bool))


@every_kind
def test_given_frames_stay_exactly_where_they_are(kind):
    trunk, state, times = random_trunk(kind=kind), random_state(ROWS, SITES), random_times(ROWS, SITES)
    given = torch.arange(SITES) % 3 == 0
    times = {name: torch.where(given, torch.ones_like(t), t) for name, t in times.items()}
    output = trunk(state, times, everyone(), random_previous(ROWS, SITES))
    assert torch.equal(output["translations"][:, given], state["translations"][:, given])
    assert not torch.isclose(output["translations"][:, ~given], state["translations"][:, ~given]).any()
    read = TangentMixture(Rotations())
    endpoint = read(output["rotations"], state["rotations"], times["rotations"]).mean()
    torch.testing.assert_close(endpoint[:, given], state["rotations"][:, given], atol=1e-14, rtol=0)


@every_kind
@pytest.mark.parametrize("feeds_back", [False, True])
def test_padding_is_invisible(kind, feeds_back):
    """Two rows of 6 and 9 sites: the short row alone gives the same, whatever stands in its padding."""
    trunk, times = random_trunk(kind=kind), random_times(ROWS, SITES)
    state = random_state(ROWS, SITES)
    previous = random_previous(ROWS, SITES) if feeds_back else None
    present = torch.ones(ROWS, SITES, dtype=torch.bool)
    present[0, 6:] = False
    batched = trunk(state, times, sites_of(present), previous)
    cut = slice(0, 1), slice(0, 6)
    alone = trunk(
        {k: x[cut] for k, x in state.items()},
        {k: t[cut] for k, t in times.items()},
        sites_of(present[cut]),
        None if previous is None else {k: x[cut] for k, x in previous.items()},
    )
    for name in alone:
        torch.testing.assert_close(batched[name][cut], alone[name], atol=1e-9, rtol=0)
        assert batched[name].isfinite().all()


@every_kind
def test_rows_do_not_see_each_other(kind):
    trunk, state, times = random_trunk(kind=kind), random_state(ROWS, SITES), random_times(ROWS, SITES)
    both = trunk(state, times, everyone(), None)
    second = trunk({k: x[1:] for k, x in state.items()}, {k: t[1:] for k, t in times.items()}, everyone(1), None)
    for name in both:
        torch.testing.assert_close(both[name][1:], second[name], atol=1e-12, rtol=0)


@every_kind
def test_the_order_of_chains_does_not_matter(kind):
    """Two chains of four and five residues, exchanged: outputs follow, because chains see no relative position."""
    trunk, state, times = random_trunk(kind=kind), random_state(1, SITES), random_times(1, SITES)
    previous = random_previous(1, SITES)
    chain = torch.tensor([[0] * 4 + [1] * 5])
    present = torch.ones(1, SITES, dtype=torch.bool)
    swap = torch.tensor([4, 5, 6, 7, 8, 0, 1, 2, 3])
    plain = trunk(state, times, sites_of(present, chain), previous)
    swapped = trunk(
        {k: x[:, swap] for k, x in state.items()},
        {k: t[:, swap] for k, t in times.items()},
        sites_of(present, 1 - chain[:, swap]),
        {k: x[:, swap] for k, x in previous.items()},
    )
    for name in plain:
        torch.testing.assert_close(swapped[name], plain[name][:, swap], atol=1e-9, rtol=0)
    one_chain = trunk(state, times, everyone(1), previous)
    assert (one_chain["sequence"] - plain["sequence"]).abs().max() > 1e-2  # within a chain positions do matter


@every_kind
@pytest.mark.parametrize("factor", ["translations", "rotations", "sequence"])
def test_every_factor_sees_the_time_of_every_factor(kind, factor):
    trunk, state, times = random_trunk(kind=kind), random_state(ROWS, SITES), random_times(ROWS, SITES)
    plain = trunk(state, times, everyone(), None)
    later = trunk(state, {**times, factor: times[factor] + 0.05}, everyone(), None)
    for name in plain:
        assert (later[name] - plain[name]).abs().max() > 1e-4


@every_kind
def test_gradients_are_finite_where_all_frames_coincide(kind):
    """All residues in one place with one orientation, as codesign values are: distances and angles are all zero."""
    trunk = random_trunk(torch.float32, kind=kind, components=3).requires_grad_()
    state = random_state(ROWS, SITES, torch.float32)
    state["translations"] = torch.zeros(ROWS, SITES, 3, requires_grad=True)
    state["rotations"] = torch.eye(3).expand(ROWS, SITES, 3, 3)
    previous = {**random_previous(ROWS, SITES, torch.float32), "translations": torch.zeros(ROWS, SITES, 3)}
    previous["rotations"] = state["rotations"]
    output = trunk(state, random_times(ROWS, SITES, torch.float32), everyone(), previous)
    sum(x.square().sum() for x in output.values()).backward()
    assert all(x.isfinite().all() for x in output.values())
    assert state["translations"].grad.isfinite().all()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_kind
@pytest.mark.parametrize("components", [1, 3])
def test_every_parameter_learns(kind, components):
    """No weight is left without a gradient by the joint loss with self-conditioning."""
    from tests.protein.products import protein_product  # here: networks know nothing of proteins, this test does

    trunk = random_trunk(torch.float32, kind=kind, components=components).requires_grad_()
    state = random_state(ROWS, SITES, torch.float32, types=TYPES - 1)
    present = torch.ones(ROWS, SITES, dtype=torch.bool)
    known = Known(state, {name: ~present for name in state}, sites_of(present))
    times = random_times(ROWS, SITES, torch.float32)
    product, noise = protein_product(components), SharedNoise.keyed(0)
    matching_loss(trunk, product, known, times, noise, self_condition=True).total.backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@every_kind
def test_a_fresh_trunk_moves_frames_little(kind):
    """Small initial moves: the first prediction is about x_t itself."""
    torch.manual_seed(0)
    trunk = small_trunk(kind, layers=2)
    state = random_state(ROWS, SITES, torch.float32)
    output = trunk(state, random_times(ROWS, SITES, torch.float32), everyone(), None)
    assert (output["translations"] - state["translations"]).abs().max() < 0.3
    assert output["rotations"].shape == (ROWS, SITES, 4)
    assert output["sequence"].shape == (ROWS, SITES, TYPES)


def test_nearby_times_are_told_apart_and_clocks_do_not_mix():
    embedding = TimeEmbedding(2, frequencies=4, highest=60.0)
    plain = embedding(torch.tensor([[[0.2, 0.5]]]))
    other = embedding(torch.tensor([[[0.2, 0.51]]]))
    assert plain.shape == (1, 1, 16)
    changed = ((plain - other).abs() > 1e-6)[0, 0].view(2, 2, 4)  # sine or cosine, clock, frequency
    assert changed[:, 1].all()
    assert not changed[:, 0].any()
    torch.testing.assert_close(plain.square().view(2, 8).sum(0), torch.ones(8))


@every_kind
@pytest.mark.parametrize("components", [1, 4])
def test_the_output_is_what_the_mixture_reads(kind, components):
    read = TangentMixture(Rotations(), components)
    trunk = small_trunk(kind, layers=1, components=components)
    state, times = random_state(ROWS, SITES, torch.float32), random_times(ROWS, SITES, torch.float32)
    output = trunk(state, times, everyone(), None)["rotations"]
    assert output.shape[2:] == read.output_shape
    prediction = read(output, state["rotations"], times["rotations"])
    assert prediction.means.shape == (ROWS, SITES, components, 3)
    assert Rotations().contains(prediction.sample(SharedNoise.keyed(0)), tolerance=1e-4).all()


def test_the_first_trunk_says_what_it_said():
    """Checkpoints of the first release hold weights of this very function; recorded before there was another trunk."""
    trunk = small_trunk("learned points", components=2).double()
    with torch.no_grad():
        for k, p in enumerate(trunk.parameters()):
            p.copy_(0.3 * torch.sin(torch.arange(p.numel(), dtype=torch.float64) * (1 + 0.1 * k)).view(p.shape))
    sites = sites_of(torch.ones(ROWS, SITES, dtype=torch.bool), torch.tensor([[0] * 4 + [1] * 5] * ROWS))
    output = trunk(random_state(ROWS, SITES), random_times(ROWS, SITES), sites, random_previous(ROWS, SITES))
    sums = {name: float(x.detach().flatten() @ torch.linspace(-1, 1, x.numel()).double()) for name, x in output.items()}
    assert sums == pytest.approx(RECORDED, rel=1e-9)


def test_pair_features_that_are_not_fed_back_are_left_out():
    """A first prediction equals one whose features of the frames before are all zero."""
    trunk, state = random_trunk(), random_state(ROWS, SITES)
    start = Frames(state["translations"], state["rotations"])
    without = trunk.pairs(start, None, everyone())
    with torch.no_grad():
        trunk.pairs.features.weight[:, -PAIR_GEOMETRY:] = 0
    for bias, other in zip(without, trunk.pairs(start, start, everyone()), strict=True):
        torch.testing.assert_close(bias, other, atol=1e-12, rtol=0)
        assert bias.std() > 0.1


STATES = {"fold": torch.arange(ROWS * SITES).view(ROWS, SITES) % CONDITION_STATES}


def told(states=None, **sizes):
    """The output of a trunk that takes the condition `fold`, and the trunk."""
    trunk = random_trunk(conditions=("fold", "side"), **sizes)
    sites = everyone().knowing(states or {})
    return trunk(random_state(ROWS, SITES), random_times(ROWS, SITES), sites, None), trunk


def test_a_condition_counts_where_it_is_known():
    """The state 0 is the same as no condition; every other state changes every factor, and each in its own way."""
    plain, trunk = told()
    unknown, _ = told({"fold": torch.zeros_like(STATES["fold"])})
    outputs = [told({"fold": torch.full_like(STATES["fold"], k)})[0] for k in (1, 2, 3)]
    for name in plain:
        assert torch.equal(unknown[name], plain[name])
        for k, output in enumerate(outputs):
            assert (output[name] - plain[name]).abs().max() > 1e-2
            assert (output[name] - outputs[k - 1][name]).abs().max() > 1e-2
    assert set(trunk.conditions) == {"fold", "side"}


def test_an_untrained_condition_changes_nothing_and_learns():
    trunk = small_trunk("frames", conditions=("fold",))
    state, times = random_state(ROWS, SITES, torch.float32), random_times(ROWS, SITES, torch.float32)
    plain = trunk(state, times, everyone(), None)
    output = trunk(state, times, everyone().knowing(STATES), None)
    for name in plain:
        assert torch.equal(output[name], plain[name])
    sum(x.square().sum() for x in output.values()).backward()
    learns = trunk.conditions["fold"].weight.grad.abs().amax(1) > 0
    assert learns.tolist() == [False, True, True, True]  # the vector of the unknown state stays zero


@every_kind
def test_a_condition_that_the_network_does_not_take_is_refused(kind):
    sites = everyone().knowing(STATES)
    with pytest.raises(UserInputError, match="cannot be told fold: it takes the conditions none"):
        random_trunk(kind=kind)(random_state(ROWS, SITES), random_times(ROWS, SITES), sites, None)


class Numbers(SitePart):
    """A further factor of one number."""

    def __init__(self, width: int) -> None:
        super().__init__("numbers")
        self.read, self.write = torch.nn.Linear(3, width), torch.nn.Linear(width, 2)

    def embed(self, x, t, previous):
        before = torch.zeros_like(x) if previous is None else previous
        return self.read(torch.cat([x, t[..., None], before], -1))

    def emit(self, hidden):
        return self.write(hidden)


def test_a_further_factor_is_read_and_written_and_matters_to_the_others():
    torch.manual_seed(0)
    trunk = FrameTrunk(width=16, heads=2, layers=2, pair_width=8, parts=[Numbers(16)]).eval()
    names = ("translations", "rotations", "sequence", "numbers")
    state = {
        "translations": torch.randn(2, 5, 3),
        "rotations": torch.eye(3).expand(2, 5, 3, 3),
        "sequence": torch.zeros(2, 5, dtype=torch.int64),
        "numbers": torch.randn(2, 5, 1),
    }
    times = {name: torch.full((2, 5), 0.5) for name in names}
    sites = single_chain(torch.ones(2, 5, dtype=torch.bool))
    output = trunk(state, times, sites, None)
    assert output["numbers"].shape == (2, 5, 2)
    other = trunk(
        {**state, "numbers": -state["numbers"]}, times, single_chain(torch.ones(2, 5, dtype=torch.bool)), None
    )
    assert all(not torch.equal(output[name], other[name]) for name in names)
