"""`gm.loss` and `gm.sample`: the loss and the loop with the usual choices made."""

import pytest
import torch

import gm_multimodal as gm

PLANE, KINDS = gm.Euclidean(2), gm.MaskedCategorical(3)
PRODUCT = {
    "x": gm.Factor(gm.Flow(gm.GaussianPath(PLANE)), gm.EndpointMean(PLANE)),
    "kind": gm.Factor(gm.MaskingCTMC(gm.MixturePath(KINDS)), gm.CategoricalPosterior(KINDS)),
}
SITES = 4


def network(state, times, sites, previous):
    """Sees the neighbours, padding left out."""
    present = sites.present[..., None]
    seen = torch.cat([state["x"], state["kind"][..., None], times["x"][..., None]], -1) * present
    mean = seen.sum(1, keepdim=True) / present.sum(1, keepdim=True)
    return {"x": torch.sin(seen + mean)[..., :2], "kind": torch.cos(seen - mean)[..., :3]}


def data(rows: int = 64):
    noise = gm.SharedNoise.keyed(5)
    return {"x": noise.normal((rows, SITES, 2)), "kind": (3 * noise.uniform((rows, SITES))).long()}


def test_a_clock_that_is_left_out_is_the_time_itself():
    assert PRODUCT["x"].clock == gm.Linear()


def test_the_loss_is_the_matching_loss_at_every_time_with_nothing_given():
    sites, noise = gm.Sites.all_present(64, SITES), gm.SharedNoise.keyed(1)
    times = gm.every_time(PRODUCT, sites, noise)
    nothing = {name: ~sites.present for name in PRODUCT}
    expected = gm.matching_loss(network, PRODUCT, gm.Known(data(), nothing, sites), times, noise).total
    assert torch.equal(gm.loss(network, PRODUCT, data(), noise=gm.SharedNoise.keyed(1)), expected)
    assert float(expected) > 0


def test_the_loss_heeds_padding():
    """What stands at padded sites changes nothing."""
    present = torch.ones(64, SITES, dtype=torch.bool)
    present[:, -1] = False
    clean = data()
    spoilt = {"x": torch.where(present[..., None], clean["x"], 100.0), "kind": torch.where(present, clean["kind"], 0)}
    losses = [
        gm.loss(network, PRODUCT, state, noise=gm.SharedNoise.keyed(1), sites=gm.Sites(present))
        for state in (clean, spoilt)
    ]
    assert torch.equal(*losses)
    assert losses[0] != gm.loss(network, PRODUCT, clean, noise=gm.SharedNoise.keyed(1))


def test_times_are_spread_evenly_and_equal_within_a_row():
    squared = {name: gm.Factor(f.process, f.parameterization, gm.Power(2.0)) for name, f in PRODUCT.items()}
    sites, keyed = gm.Sites.all_present(50, SITES), gm.SharedNoise.keyed
    times = gm.every_time(PRODUCT, sites, keyed(2))["x"]
    assert (times == times[:, :1]).all()
    assert (torch.floor(50 * times[:, 0]) == torch.arange(50)).all()
    torch.testing.assert_close(gm.every_time(squared, sites, keyed(2))["kind"], times**2)


def test_samples_have_the_shape_that_was_asked_for_and_follow_from_the_seed():
    first, again, other = (gm.sample(network, PRODUCT, sites=SITES, count=6, steps=3, seed=seed) for seed in (0, 0, 1))
    assert first["x"].shape == (6, SITES, 2) and first["kind"].shape == (6, SITES)
    assert all(torch.equal(first[name], again[name]) for name in PRODUCT)
    assert not torch.equal(first["x"], other["x"])
    assert KINDS.contains(first["kind"]).all() and (first["kind"] < 3).all()


def test_one_network_call_a_step():
    calls = []

    def counting(*arguments):
        calls.append(arguments)
        return network(*arguments)

    gm.sample(counting, PRODUCT, sites=1, count=2, steps=7)
    assert len(calls) == 7


def test_what_is_known_stays_and_gives_the_shape():
    sites, clean = gm.Sites.all_present(64, SITES), data()
    given = torch.arange(SITES).expand(64, SITES) < 2
    made = gm.sample(network, PRODUCT, known=gm.Known({"kind": clean["kind"]}, {"kind": given}, sites), steps=3)
    assert torch.equal(made["kind"][given], clean["kind"][given])
    assert not torch.equal(made["kind"], clean["kind"])
    assert made["x"].shape == (64, SITES, 2)


@pytest.mark.parametrize("shape", [{}, {"sites": 2}, {"count": 2}])
def test_a_shape_that_is_left_out_is_asked_for(shape):
    with pytest.raises(ValueError, match=r"sites=.*, count=.*give both, or `known`"):
        gm.sample(network, PRODUCT, **shape)


@pytest.mark.parametrize("shape", [{"sites": 5}, {"count": 3}, {"sites": SITES, "count": 65}])
def test_a_shape_that_contradicts_what_is_known_is_refused(shape):
    known = gm.Known({}, {}, gm.Sites.all_present(64, SITES))
    with pytest.raises(ValueError, match=r"known has 64 rows of 4 sites, but count=.* and sites=.*; leave them out"):
        gm.sample(network, PRODUCT, known=known, **shape)
