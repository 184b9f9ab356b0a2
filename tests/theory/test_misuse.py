"""Points, masks, times, networks and parts that do not fit are refused, with a message that shows both sides."""

import dataclasses

import pytest
import torch

import gm_multimodal as gm

pytestmark = pytest.mark.theory

PLANE, KINDS = gm.Euclidean(2), gm.MaskedCategorical(5)
PATH = gm.GaussianPath(PLANE)
PRODUCT = {
    "x": gm.Factor(gm.Flow(PATH), gm.EndpointMean(PLANE)),
    "kind": gm.Factor(gm.MaskingCTMC(gm.MixturePath(KINDS)), gm.CategoricalPosterior(KINDS)),
}
B, N = 4, 3
SITES = gm.Sites.all_present(B, N)
X, KIND = torch.zeros(B, N, 2), torch.zeros(B, N, dtype=torch.int64)
CLEAN = {"x": X, "kind": KIND}
HALF = {name: torch.full((B, N), 0.5) for name in CLEAN}


def network(state, times, sites, previous):
    return {"x": torch.zeros(*sites.present.shape, 2), "kind": torch.zeros(*sites.present.shape, 5)}


def emitting(**outputs):
    return lambda state, times, sites, previous: {**network(state, times, sites, previous), **outputs}


def loss(network=network, product=PRODUCT, state=CLEAN, **settings):
    return gm.loss(network, product, state, noise=gm.SharedNoise.keyed(0), **settings)


def matching(times=HALF, known=None, noise=None, **settings):
    known = known or gm.Known(CLEAN, {}, SITES)
    return gm.matching_loss(network, PRODUCT, known, times, noise or gm.SharedNoise.keyed(0), **settings)


def sample(network=network, product=PRODUCT, **settings):
    return gm.sample(network, product, steps=2, **({"sites": N, "count": B} | settings))


def known(values, mask):
    return gm.Known(values, mask, SITES)


def test_what_is_right_is_taken():
    assert loss().isfinite()
    assert matching().total.isfinite()
    assert sample()["x"].shape == (B, N, 2)
    for times in (torch.full((B, 1), 0.5), torch.full((1, N), 0.5), torch.tensor(0.5)):
        assert torch.equal(matching(dict.fromkeys(CLEAN, times)).total, matching().total)


POINTS = [
    ({"x": X[:, 0], "kind": KIND}, r"points of x have the shape \(4, 2\), but those of Euclidean.*\(B, N, 2\).*N = 1"),
    ({"x": X, "kind": KIND[:, 0]}, r"points of kind have the shape \(4,\), but those of MaskedCategorical.*\(B, N\)"),
    ({"x": torch.zeros(B, N, 3), "kind": KIND}, r"points of x have the shape \(4, 3, 3\), but .* \(B, N, 2\)"),
    ({"x": X, "kind": torch.zeros(B, N, 5)}, r"points of kind have the shape \(4, 3, 5\), but .* \(B, N\)"),
    ({"x": X, "kind": KIND[:, :2]}, r"points of kind are at sites \(4, 2\), but the sites are \(4, 3\)"),
    ({"x": X, "kind": KIND.float()}, r"points of kind are torch.float32, but those of MaskedCategorical.* integers"),
    ({"x": X.long(), "kind": KIND}, r"points of x are torch.int64, but those of Euclidean.* are real numbers"),
    ({"x": X}, r"values of kind are missing: they are given of x"),
    ({**CLEAN, "y": X}, r"values are given of y, but the factors are x and kind"),
    ({"y": X}, r"points are given of y, but the factors are x and kind"),
    ({}, r"points are given of nothing, but the factors are x and kind"),
    ({"x": X + torch.nan, "kind": KIND}, r"12 points of x are not data in Euclidean\(dim=2.*such as \[nan, nan\]"),
    ({"x": X, "kind": KIND + 6}, r"12 points of kind are not data in MaskedCategorical\(size=5\), such as 6"),
    ({"x": X, "kind": KIND + KINDS.mask}, r"12 points of kind are not data in MaskedCategorical\(size=5\), such as 5"),
]


@pytest.mark.parametrize(("state", "message"), POINTS)
def test_points_that_are_not_of_the_factors_are_refused(state, message):
    with pytest.raises(ValueError, match=message):
        loss(state=state)


def test_what_stands_at_padding_need_not_be_data():
    present = torch.arange(N).expand(B, N) < 2
    padded = {"x": torch.where(present[..., None], X, torch.nan), "kind": torch.where(present, KIND, 17)}
    assert loss(state={**padded, "kind": KIND}, sites=gm.Sites(present)).dtype == torch.float32
    with pytest.raises(ValueError, match="not data"):
        loss(state=padded)


def test_no_factors_are_refused():
    with pytest.raises(ValueError, match="the product has no factors"):
        sample(product={})


def test_something_else_for_a_factor_is_refused():
    with pytest.raises(gm.IncompatibleProcess, match=r"a product takes Factor for its x, not Flow\(.*"):
        sample(product={"x": PRODUCT["x"].process})


TIMES = [
    (
        torch.full((B,), 0.5),
        r"times of x have the shape \(4,\), which does not broadcast to the sites \(4, 3\).*\[B, 1\]",
    ),
    (torch.full((N,), 0.5), r"\(3,\), which does not broadcast to the sites \(4, 3\)"),
    (torch.full((N, B), 0.5), r"\(3, 4\), which does not broadcast"),
    (torch.full((B, N, 1), 0.5), r"\(4, 3, 1\), which does not broadcast"),
]


@pytest.mark.parametrize(("times", "message"), TIMES)
def test_times_that_do_not_broadcast_to_the_sites_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        matching({**HALF, "x": times})


def test_as_many_times_as_rows_are_refused_even_where_they_would_broadcast():
    square, sites = (
        {"x": torch.zeros(3, 3, 2), "kind": torch.zeros(3, 3, dtype=torch.int64)},
        gm.Sites.all_present(3, 3),
    )
    with pytest.raises(ValueError, match=r"times of x have the shape \(3,\)"):
        matching(dict.fromkeys(CLEAN, torch.full((3,), 0.5)), gm.Known(square, {}, sites))


@pytest.mark.parametrize("times", [{"x": HALF["x"]}, {**HALF, "y": HALF["x"]}])
def test_times_of_other_factors_are_refused(times):
    with pytest.raises(ValueError, match=r"times are given of x.*, but the factors are x and kind"):
        matching(times)


KNOWN = [
    (lambda: known(CLEAN, {"x": torch.zeros(B, N)}), r"the mask of x is torch.float32 \(4, 3\), .* bool \(4, 3\)"),
    (lambda: known(CLEAN, {"x": ~SITES.present[:, :1]}), r"the mask of x is torch.bool \(4, 1\), .* bool \(4, 3\)"),
    (lambda: known(CLEAN, {"y": SITES.present}), r"a mask is given of y, but the factors are x and kind"),
    (lambda: known({"y": X}, {}), r"values are given of y, but the factors are x and kind"),
    (lambda: known({"x": X}, {"kind": SITES.present}), r"values of kind are missing: they are given of x"),
    (lambda: known({"x": X[:, 0]}, {"x": SITES.present}), r"points of x have the shape \(4, 2\)"),
    (lambda: known({"kind": KIND.double()}, {"kind": SITES.present}), r"points of kind are torch.float64.*integers"),
    (lambda: known({"kind": KIND + 5}, {"kind": SITES.present}), r"12 points of kind are not data.*such as 5"),
]


@pytest.mark.parametrize(("make", "message"), KNOWN)
def test_what_is_known_of_other_points_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        sample(known=make(), sites=None, count=None)


def test_values_that_nobody_reads_need_not_be_data():
    hidden = known({"kind": KIND + 5}, {"kind": ~SITES.present})
    assert (sample(known=hidden, sites=None, count=None)["kind"] < 5).all()


def test_training_and_noised_data_need_values_of_every_factor():
    nothing = gm.Known({"x": X}, {}, SITES)
    with pytest.raises(ValueError, match="values of kind are missing"):
        matching(known=nothing)
    with pytest.raises(ValueError, match="values of kind are missing"):
        gm.Sampler(gm.UniformGrid(2, start=0.5))(network, PRODUCT, nothing, gm.SharedNoise.keyed(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gm.Known(CLEAN, {}, SITES.present), r"Known takes Sites for its sites, not tensor"),
        (lambda: gm.Sampler(100), r"Sampler takes TimeGrid for its grid, not 100"),
        (lambda: matching(noise=torch.Generator()), r"takes Noise for its noise, not <torch.*Generator"),
        (lambda: loss(network=None), r"matching_loss takes Network for its network, not None"),
        (lambda: loss(network=torch.nn.Linear), r"takes Network for its network, not the class Linear"),
        (lambda: sample(network=3), r"Sampler takes Network for its network, not 3"),
    ],
)
def test_another_kind_of_thing_is_refused(make, message):
    with pytest.raises(gm.IncompatibleProcess, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gm.Sites(torch.ones(B, N)), r"Sites: present is torch.float32 \(4, 3\); give a mask, bool \[B, N\]"),
        (lambda: gm.Sites(SITES.present[0]), r"Sites: present is torch.bool \(3,\); give a mask, bool \[B, N\]"),
        (lambda: SITES.knowing({"age": torch.zeros(N, B)}), r"age is known of sites \(3, 4\), but they are \(4, 3\)"),
        (lambda: gm.DesignNoise(0, (1, 2)).at(0, "x").normal((B, 2)), r"4 rows are drawn, .* streams for 2"),
    ],
)
def test_sites_and_noise_of_other_shapes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


NETWORKS = [
    (lambda *_: {"x": X}, r"says nothing of the factor kind: it emits x, but the factors are x and kind"),
    (lambda *_: {}, r"says nothing of the factor x: it emits nothing, but the factors are x and kind"),
    (lambda *_: X, r"the network returns a Tensor; give a dictionary with a tensor for each factor"),
    (lambda *_: (X, KIND), r"the network returns a tuple; give a dictionary"),
    (lambda *_: None, r"the network returns a NoneType; give a dictionary"),
    (emitting(x=None), r"the network returns a dictionary of NoneType; give"),
    (emitting(x=X[:, 0]), r"emits \(4, 2\) for the factor x, but EndpointMean reads \(4, 3, 2\)"),
    (emitting(x=torch.zeros(B, N, 3)), r"emits \(4, 3, 3\) for the factor x, but EndpointMean reads \(4, 3, 2\)"),
    (emitting(x=torch.zeros(B, 1, 2)), r"emits \(4, 1, 2\) for the factor x, but EndpointMean reads \(4, 3, 2\)"),
    (emitting(kind=torch.zeros(B, N, 6)), r"emits \(4, 3, 6\) for .* kind, but CategoricalPosterior reads \(4, 3, 5\)"),
]


@pytest.mark.parametrize("use", [loss, sample])
@pytest.mark.parametrize(("wrong", "message"), NETWORKS)
def test_a_network_that_says_nothing_or_something_else_is_refused(use, wrong, message):
    with pytest.raises(gm.IncompatibleProcess, match=message):
        use(network=wrong)


VP = gm.GaussianPath(PLANE, gm.VariancePreserving())
TORUS, SO3 = gm.Torus(2), gm.Rotations()
WALK = gm.Flow(gm.GeodesicPath(TORUS))
MASKING, UNIFORM = gm.MixturePath(KINDS), gm.MixturePath(gm.Categorical(5))

FACTORS = [
    (WALK, gm.EndpointMean(PLANE), r"Flow moves points of Torus\(dim=2\), but EndpointMean .* Euclidean\(dim=2"),
    (gm.Flow(PATH), gm.EndpointMean(gm.Euclidean(3)), r"points of Euclidean\(dim=2.*points of Euclidean\(dim=3"),
    (
        gm.Flow(PATH),
        gm.EndpointMean(gm.Euclidean(2, 9.0)),
        r"Euclidean\(dim=2, scale=1.0\).*Euclidean\(dim=2, scale=9.0",
    ),
    (gm.Flow(PATH), gm.PointMass(TORUS), r"Flow moves points of Euclidean.*PointMass speaks of points of Torus"),
    (gm.Jump(gm.FisherPath(SO3)), gm.PointMass(PLANE), r"Jump moves points of Rotations\(\).*points of Euclidean"),
    (WALK, gm.TangentMixture(SO3), r"Flow moves points of Torus\(dim=2\), but TangentMixture .* Rotations\(\)"),
    (gm.MaskingCTMC(MASKING), gm.CategoricalPosterior(gm.MaskedCategorical(4)), r"size=5\), but .*size=4\)"),
    (
        gm.UniformCTMC(UNIFORM),
        gm.CategoricalPosterior(KINDS),
        r" Categorical\(size=5\), but .* MaskedCategorical\(size=5",
    ),
    (
        gm.MaskingCTMC(MASKING),
        gm.CategoricalPosterior(gm.Categorical(5)),
        r"MaskedCategorical.* of Categorical\(size=5",
    ),
    (gm.Flow(VP), gm.VelocityMean(PATH), r"Flow keeps .*VariancePreserving.*VelocityMean .* motion along .*CondOT"),
    (gm.Flow(PATH), gm.VelocityMean(gm.GeodesicPath(TORUS)), r"Flow moves points of Euclidean.*points of Torus"),
    (gm.RateJump(PATH), gm.BinRates(VP, gm.Bins(-1, 1, 4)), r"RateJump keeps .*CondOT.*along .*VariancePreserving"),
    (gm.Jump(PATH), gm.EndpointMean(PLANE), r"Jump follows Posterior, but EndpointMean gives EndpointPrediction"),
    (
        gm.Flow(PATH),
        gm.BinRates(PATH, gm.Bins(-1, 1, 4)),
        r"Flow follows ManifoldPrediction, but BinRates gives Bin",
    ),
    (PATH, gm.EndpointMean(PLANE), r"Factor takes Process for its process, not GaussianPath"),
    (gm.Flow, gm.EndpointMean(PLANE), r"Factor takes Process for its process, not the class Flow"),
    (
        gm.Flow(PATH),
        gm.EndpointMean,
        r"Factor takes Parameterization for its parameterization, not the class Endpoint",
    ),
    (gm.EndpointMean(PLANE), gm.Flow(PATH), r"Factor takes Process for its process, not EndpointMean"),
]


@pytest.mark.parametrize(("process", "reads", "message"), FACTORS)
def test_a_factor_of_parts_that_do_not_fit_is_refused(process, reads, message):
    with pytest.raises(gm.IncompatibleProcess, match=message):
        gm.Factor(process, reads)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"clock": gm.CondOT()}, gm.IncompatibleProcess, r"Factor takes Schedule for its clock, not CondOT"),
        ({"clock": gm.Concentration(9.0)}, gm.IncompatibleProcess, r"from 0 to 1 for its clock; .*goes from 0 to 9"),
        ({"clock": 0.5}, gm.IncompatibleProcess, r"Factor takes Schedule for its clock, not 0.5"),
        ({"weight": -1.0}, ValueError, r"Factor: weight is -1.0; give 0 or a positive number"),
        ({"weight": float("nan")}, ValueError, r"Factor: weight is nan"),
    ],
)
def test_clocks_and_weights_without_meaning_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(PRODUCT["x"], **settings)


def test_what_has_no_mean_cannot_be_centred():
    with pytest.raises(
        gm.IncompatibleProcess, match=r"centred is True, but points of MaskedCategorical.* have no mean"
    ):
        dataclasses.replace(PRODUCT["kind"], centred=True)


PARTS = [
    (lambda: gm.GaussianPath(TORUS), r"GaussianPath takes Euclidean for its space, not Torus\(dim=2\)"),
    (lambda: gm.GaussianPath(2), r"GaussianPath takes Euclidean for its space, not 2"),
    (lambda: gm.GaussianPath(gm.Euclidean), r"takes Euclidean for its space, not the class Euclidean"),
    (
        lambda: gm.GaussianPath(PLANE, gm.Linear()),
        r"GaussianPath takes GaussianSchedule for its schedule, not Linear",
    ),
    (lambda: gm.GeodesicPath(PLANE), r"GeodesicPath takes UniformSpace for its space, not Euclidean"),
    (lambda: gm.FisherPath(TORUS), r"FisherPath takes Rotations for its space, not Torus"),
    (lambda: gm.FisherPath(SO3, gm.Linear()), r"FisherPath takes Concentration for its concentration, not Linear"),
    (lambda: gm.IGSO3Path(TORUS), r"IGSO3Path takes Rotations for its space, not Torus"),
    (lambda: gm.IGSO3Path(SO3, gm.Linear()), r"IGSO3Path takes Geometric for its scale, not Linear"),
    (lambda: gm.VonMisesPath(SO3), r"VonMisesPath takes Torus for its space, not Rotations"),
    (lambda: gm.MixturePath(5), r"MixturePath takes StateSpace for its space, not 5"),
    (lambda: gm.MixturePath(KINDS, gm.CondOT()), r"MixturePath takes Schedule for its weight, not CondOT"),
    (
        lambda: gm.MixturePath(KINDS, gm.Geometric(1.0, 2.0)),
        r"schedule from 0 to 1 for its weight; .* goes from 1 to 2",
    ),
    (lambda: gm.Window(gm.CondOT(), 0.0, 0.5), r"Window takes Schedule for its clock, not CondOT"),
    (lambda: gm.EndpointMean(TORUS), r"EndpointMean takes Euclidean for its space, not Torus"),
    (lambda: gm.BinPosterior(TORUS, gm.Bins(-1, 1, 4)), r"BinPosterior takes Euclidean for its space, not Torus"),
    (lambda: gm.BinPosterior(PLANE, 64), r"BinPosterior takes Bins for its bins, not 64"),
    (
        lambda: gm.BinRates(gm.GeodesicPath(TORUS), gm.Bins(-1, 1, 4)),
        r"takes GaussianPath for its path, not GeodesicPath",
    ),
    (
        lambda: gm.CategoricalPosterior(PLANE),
        r"takes MaskedCategorical or Categorical for its space, not Euclidean",
    ),
    (lambda: gm.CategoricalPosterior(5), r"takes MaskedCategorical or Categorical for its space, not 5"),
    (lambda: gm.VelocityMean(gm.FisherPath(SO3)), r"VelocityMean takes LinearFlowPath for its path, not FisherPath"),
    (lambda: gm.VelocityMean(PLANE), r"VelocityMean takes LinearFlowPath for its path, not Euclidean"),
    (lambda: gm.PointMass(KINDS), r"PointMass takes Manifold for its space, not MaskedCategorical"),
    (lambda: gm.Flow(PLANE), r"Flow needs a path that is carried by one; Euclidean is not"),
    (lambda: gm.Jump(PLANE), r"Jump needs a path with a density; Euclidean has none"),
    (lambda: gm.RateJump(MASKING), r"RateJump takes DensePath for its path, not MixturePath"),
    (lambda: gm.MixtureJump(PATH), r"MixtureJump takes MixturePath for its path, not GaussianPath"),
    (lambda: gm.MaskingCTMC(PATH), r"MaskingCTMC takes MixturePath for its path, not GaussianPath"),
    (lambda: gm.MaskingCTMC(KINDS), r"MaskingCTMC takes MixturePath for its path, not MaskedCategorical"),
    (lambda: gm.Langevin(gm.Jump(PATH), 1.0), r"Langevin takes Flow for its flow, not Jump"),
    (lambda: gm.Euler(gm.RateJump(PATH)), r"Euler takes ConditionalProcess for its process, not RateJump"),
    (lambda: gm.PlugIn(gm.PlugIn(gm.Jump(PATH))), r"PlugIn takes ConditionalProcess for its process, not PlugIn"),
    (
        lambda: gm.PredictorCorrector(gm.RateJump(PATH), 1.0),
        r"PredictorCorrector takes ConditionalProcess .* RateJump",
    ),
    (
        lambda: gm.Superposition((gm.Flow(PATH), gm.RateJump(PATH)), (0.5, 0.5)),
        r"Superposition takes processes .*RateJump is not",
    ),
    (lambda: gm.Superposition((gm.Flow, gm.Jump(PATH)), (0.5, 0.5)), r"Superposition takes Cond.*the class Flow"),
]


@pytest.mark.parametrize(("make", "message"), PARTS)
def test_a_part_of_another_kind_is_refused_where_it_is_put_in(make, message):
    with pytest.raises(gm.IncompatibleProcess, match=message):
        make()
