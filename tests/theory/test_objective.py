"""The conditional loss: its gradient is that of the marginal loss, its weights are those stated."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import corrupt, matching_loss
from gm_multimodal.parameterizations.endpoint import EndpointMean, EndpointPrediction
from gm_multimodal.parameterizations.posterior import CategoricalPosterior, CategoricalPrediction
from gm_multimodal.parameterizations.tangent import TangentMixture, TangentPrediction
from gm_multimodal.processes.flow import Flow
from gm_multimodal.product import Drawn, Factor, Known
from gm_multimodal.schedules import Linear
from tests.theory.factors import (
    FACTORS,
    LETTERS,
    R3,
    SEQUENCE,
    SO3,
    TRANSLATIONS,
    Oracle,
    nothing_known,
    product_of,
)

pytestmark = pytest.mark.theory

WEIGHTS = torch.tensor([0.5, 0.3, 0.2])
SITES = 2


def small_data() -> Oracle:
    """Three joint data points of two sites, in two factors whose divergence is Bregman in the mean."""
    rng = torch.Generator().manual_seed(0)
    cases = (TRANSLATIONS, SEQUENCE)
    return Oracle(cases, {c.factor: c.draw(3 * SITES, rng).unflatten(0, (3, SITES)) for c in cases}, WEIGHTS)


def linear_network(theta):
    """Every output is a linear function of every factor at both sites: `theta` [numbers, 6]."""

    def network(state, times, sites, previous):
        features = [state["translations"].flatten(1), state["sequence"].float(), times["translations"][:, :1]]
        features = torch.cat([*features, torch.ones(len(features[0]), 1)], -1)
        output = (features @ theta).unflatten(-1, (SITES, 3 + LETTERS.size))
        return {"translations": output[..., :3], "sequence": output[..., 3:]}

    return network


def marginal_loss(network, oracle, product, state, times, sites):
    """E over x_t alone of D(F_t(x_t), F^theta): squared distance to the posterior mean, KL from the posterior."""
    posterior = oracle.posterior(state, times)
    output = network(state, times, sites, None)
    mean = TRANSLATIONS.output(posterior, state["translations"], times["translations"], oracle.data["translations"])
    weight = (1 - times["translations"].clamp(max=0.9)) ** -2
    total = (weight * (output["translations"] - mean).square().sum(-1)).mean()
    law = SEQUENCE.output(posterior, state["sequence"], times["sequence"], oracle.data["sequence"]).exp()
    weight = (state["sequence"] == LETTERS.mask) / (1 - times["sequence"].clamp(max=0.9))
    divergence = (torch.special.xlogy(law, law) - law * output["sequence"].log_softmax(-1)).sum(-1)
    return total + (weight * divergence).mean()


def test_the_gradient_of_the_conditional_loss_is_that_of_the_marginal_loss():
    """50 batches of 400 rows at the same x_t: the mean difference lies within 4.5 of its own standard errors."""
    oracle = small_data()
    product = product_of(*oracle.cases)
    known = nothing_known(product, 400, SITES)
    theta = 0.3 * torch.randn(10, SITES * 7, generator=torch.Generator().manual_seed(1))
    theta.requires_grad_()
    differences, gradients = [], []
    for seed in range(50):
        rng = torch.Generator().manual_seed(seed)
        chosen = torch.multinomial(WEIGHTS, 400, replacement=True, generator=rng)
        drawn = Known({k: z[chosen] for k, z in oracle.data.items()}, known.mask, known.sites)
        times = {name: torch.rand(400, 1, generator=rng).expand(400, SITES) for name in product}
        state = corrupt(product, drawn, times, SharedNoise.keyed(seed))
        network = linear_network(theta)
        conditional = matching_loss(network, product, drawn, times, SharedNoise.keyed(seed)).total
        marginal = marginal_loss(network, oracle, product, state, times, known.sites)
        (first,), (second,) = (torch.autograd.grad(loss, theta) for loss in (conditional, marginal))
        differences.append((first - second).flatten())
        gradients.append(second.flatten())
    differences, gradients = torch.stack(differences), torch.stack(gradients)
    error = differences.std(0) / 50**0.5
    assert (differences.mean(0).abs() <= 4.5 * error + 1e-6).all()
    assert (gradients.mean(0).abs() > 20 * error).float().mean() > 0.3  # what is compared is not lost in the noise


def test_cross_entropy_by_enumeration():
    """One site, three letters of the data: both gradients in closed form, float64."""
    prior = torch.tensor([0.5, 0.2, 0.3, 0.0], dtype=torch.float64)
    logits = torch.tensor([[0.3, -1.0, 0.7, 0.1]], dtype=torch.float64, requires_grad=True)
    prediction = CategoricalPrediction(logits)
    conditional = sum(p * prediction.loss(torch.tensor([k])).sum() for k, p in enumerate(prior))
    (gradient,) = torch.autograd.grad(conditional, logits)
    torch.testing.assert_close(gradient, logits.softmax(-1) - prior, atol=1e-14, rtol=0)


def test_squared_distance_by_enumeration():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    endpoint = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    prediction = EndpointPrediction(R3, torch.zeros(3, dtype=torch.float64), endpoint)
    (gradient,) = torch.autograd.grad((prior * prediction.loss(z)).sum(), endpoint)
    torch.testing.assert_close(gradient, 2 * (endpoint - prior @ z).detach(), atol=1e-14, rtol=0)


def one_component(x, t, mean, log_scale):
    """A tangent law N(mean, scale^2 I), [*B, 3] and [*B]."""
    return TangentPrediction(
        SO3, x, t, mean[..., None, :], log_scale[..., None], torch.zeros_like(log_scale)[..., None]
    )


def test_the_tangent_likelihood_is_least_at_the_mean_and_spread_of_the_truth():
    """A proper score: its gradient vanishes at (E v, root mean square per coordinate) and nowhere near by."""
    noise = SharedNoise(torch.Generator().manual_seed(0), torch.float64)
    x, t = SO3.prior((1,), noise).expand(2000, 3, 3), torch.full((2000,), 0.4, dtype=torch.float64)
    v = torch.tensor([0.5, -0.2, 0.1]) + 0.3 * noise.normal((2000, 3))
    z = SO3.exp(x, 0.6 * v)
    spread = (v - v.mean(0)).square().mean().sqrt()

    def gradient(mean, scale):
        mean, log_scale = mean.clone().requires_grad_(), scale.log().requires_grad_()
        prediction = one_component(x, t, mean.expand(2000, 3), log_scale.expand(2000))
        return torch.cat([g.flatten() for g in torch.autograd.grad(prediction.loss(z).mean(), (mean, log_scale))])

    assert gradient(v.mean(0), spread).abs().max() < 1e-10
    assert gradient(v.mean(0) + 0.1, spread).abs().min() > 0.1
    assert gradient(v.mean(0), 1.2 * spread).abs().max() > 0.1


@pytest.mark.parametrize("t", [0.9999, 0.999999, 1.0])
def test_the_tangent_likelihood_stays_finite_at_the_end(t):
    noise = SharedNoise.keyed(1)
    x0, z, at = SO3.prior((500,), noise), SO3.prior((500,), noise), torch.full((500,), t)
    x = FACTORS[1].path.sample(x0, z, at, noise)
    output = torch.zeros(500, 4, requires_grad=True)
    loss = TangentMixture(SO3)(output, x, at).loss(z)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert loss.max() < 100
    assert output.grad.isfinite().all()


def test_the_tangent_is_the_velocity_of_the_path():
    """log_{x_t}(z) / (1 - t) = log_{x_0}(z): seen from the moving frame, the velocity along a geodesic is constant."""
    noise = SharedNoise(torch.Generator().manual_seed(2), torch.float64)
    x0, z = SO3.prior((100,), noise), SO3.prior((100,), noise)
    for t in (0.0, 0.5, 0.9):
        at = torch.full((100,), t, dtype=torch.float64)
        x = FACTORS[1].path.sample(x0, z, at, noise)
        exact = one_component(x, at, SO3.log(x0, z), torch.zeros(100, dtype=torch.float64))
        torch.testing.assert_close(exact.mean(), z, atol=1e-8, rtol=0)
        assert exact.loss(z).max() < 1e-14


def test_samples_of_the_tangent_law_surround_its_mean():
    noise = SharedNoise(torch.Generator().manual_seed(3), torch.float64)
    n, t = 20_000, 0.5
    x = SO3.prior((1,), noise).expand(n, 3, 3)
    v = torch.tensor([0.4, 0.0, -0.3], dtype=torch.float64).expand(n, 3)
    scale = torch.full((n,), math.log(0.2), dtype=torch.float64)
    prediction = one_component(x, torch.full((n,), t, dtype=torch.float64), v, scale)
    drawn = SO3.log(x, prediction.sample(noise)) / (1 - t)
    assert (drawn.mean(0) - v[0]).abs().max() < 4 * 0.2 / n**0.5
    assert (drawn.std(0) - 0.2).abs().max() < 4 * 0.2 / (2 * n) ** 0.5


def test_a_mean_is_no_law_to_draw_from():
    with pytest.raises(IncompatibleProcess, match=r"Flow follows Posterior.*EndpointMean gives EndpointPrediction"):
        Factor(Flow(TRANSLATIONS.path, marginal="sample"), EndpointMean(R3), Linear())


def test_letters_are_drawn_from_the_posterior():
    logits = torch.tensor([0.5, 0.3, 0.2, 0.0]).log().expand(20_000, 4)
    drawn = CategoricalPrediction(logits).sample(SharedNoise.keyed(0)).bincount(minlength=4) / 20_000
    assert (drawn - torch.tensor([0.5, 0.3, 0.2, 0.0])).abs().max() < 4 * (0.25 / 20_000) ** 0.5


@pytest.mark.parametrize("clip", [0.5, 0.9])
def test_the_time_weight_of_an_endpoint(clip):
    t = torch.tensor([0.0, 0.3, 0.95, 1.0])
    loss = EndpointMean(R3, time_clip=clip)(torch.ones(4, 3), torch.zeros(4, 3), t).loss(torch.zeros(4, 3))
    torch.testing.assert_close(loss, 3 / (1 - t.clamp(max=clip)) ** 2)


def test_the_weight_of_a_letter_makes_the_loss_a_bound_on_its_likelihood():
    """Uniform prediction over K: E over t and masks of the loss is log K, less the part that the clip removes."""
    t = (torch.arange(10_000) + 0.5) / 10_000
    posterior = CategoricalPosterior(LETTERS, time_clip=0.9)
    z = torch.zeros(10_000, dtype=torch.int64)
    losses = [posterior(torch.zeros(10_000, 4), x, t).loss(z) for x in (torch.full_like(z, LETTERS.mask), z)]
    mean = ((1 - t) * losses[0] + t * losses[1]).mean()
    assert float(mean) == pytest.approx(0.95 * math.log(4), rel=1e-4)
    assert (losses[1] == 0).all()


@pytest.mark.parametrize("parameterization", [EndpointMean, CategoricalPosterior])
@pytest.mark.parametrize("clip", [-0.1, 1.0])
def test_a_clip_that_leaves_the_weight_unbounded_is_refused(parameterization, clip):
    with pytest.raises(ValueError, match="time_clip"):
        parameterization(R3 if parameterization is EndpointMean else LETTERS, time_clip=clip)


def weighted(weights):
    return {
        name: Factor(f.process, f.parameterization, f.clock, weight=weights[name])
        for name, f in product_of(TRANSLATIONS, SEQUENCE).items()
    }


def small_loss(product, network, **settings):
    oracle = small_data()
    nothing = nothing_known(product, 3, SITES)
    times = {name: torch.full((3, SITES), 0.4) for name in product}
    known = Known(oracle.data, nothing.mask, nothing.sites)
    return matching_loss(network, product, known, times, SharedNoise.keyed(0), **settings)


def test_the_total_is_the_weighted_sum_of_the_parts():
    network = linear_network(0.3 * torch.randn(10, SITES * 7, generator=torch.Generator().manual_seed(1)))
    plain = small_loss(weighted({"translations": 1.0, "sequence": 1.0}), network)
    heavy = small_loss(weighted({"translations": 2.0, "sequence": 0.5}), network)
    for name in plain.parts:
        assert torch.equal(plain.parts[name], heavy.parts[name])
        assert plain.parts[name] > 0
    torch.testing.assert_close(plain.total, plain.parts["translations"] + plain.parts["sequence"])
    torch.testing.assert_close(heavy.total, 2 * heavy.parts["translations"] + 0.5 * heavy.parts["sequence"])


def test_self_conditioning_feeds_back_the_means_without_their_gradient():
    """d/dtheta of f(theta, stop(f(theta, none))): the first call is a constant."""
    calls = []

    def network(state, times, sites, previous):
        calls.append(previous)
        shift = 1.0 if previous is None else 2.0 + previous["translations"]
        return {"translations": theta * shift * torch.ones(3, SITES, 3), "sequence": torch.zeros(3, SITES, 4)}

    theta = torch.tensor(0.7, requires_grad=True)
    matching = small_loss(weighted({"translations": 1.0, "sequence": 1.0}), network, self_condition=True)
    assert calls[0] is None
    torch.testing.assert_close(calls[1]["translations"], torch.full((3, SITES, 3), 0.7))
    torch.testing.assert_close(calls[1]["sequence"], torch.full((3, SITES, 4), 0.25))
    assert not calls[1]["translations"].requires_grad
    (gradient,) = torch.autograd.grad(matching.parts["translations"], theta)
    z, guess = small_data().data["translations"], 0.7 * 2.7
    torch.testing.assert_close(gradient, (2 * 2.7 * (guess - z)).sum(-1).mean() / 0.6**2)
    calls.clear()
    small_loss(weighted({"translations": 1.0, "sequence": 1.0}), network)
    assert calls == [None]


def hidden_letters(law):
    """Two sites that hide their letters, drawn beforehand, with a law for each of them; [1, 2, K]."""
    product = product_of(SEQUENCE)
    known = nothing_known(product, 1, SITES)
    points = torch.full((1, SITES), LETTERS.mask)
    drawn = Drawn(torch.ones(1, SITES, dtype=torch.bool), points, law)
    return product, replace(known, drawn={"sequence": drawn})


def loss_of_letters(theta, product, known):
    times = {"sequence": torch.full((1, SITES), 0.4)}

    def network(state, times, sites, previous):
        return {"sequence": torch.tanh(state["sequence"].float() @ theta).unflatten(-1, (SITES, LETTERS.size))}

    return matching_loss(network, product, known, times, SharedNoise.keyed(0)).total


def test_a_soft_target_has_loss_and_gradient_of_the_mean_over_its_draws_so_the_same_minimiser():
    """Enumerated: every pair of letters, drawn independently from the laws of two hidden sites."""
    law = torch.tensor([0.5, 0.2, 0.2, 0.1]).expand(1, SITES, LETTERS.size)
    theta = torch.randn(SITES, SITES * LETTERS.size, generator=torch.Generator().manual_seed(2)).requires_grad_()
    product, known = hidden_letters(law)
    soft = loss_of_letters(theta, product, known)
    hard = torch.zeros(())
    for first, second in itertools.product(range(LETTERS.size), repeat=2):
        letters = torch.tensor([[first, second]])
        product, known = hidden_letters(torch.nn.functional.one_hot(letters, LETTERS.size).float())
        hard = hard + law[0, 0, first] * law[0, 1, second] * loss_of_letters(theta, product, known)
    torch.testing.assert_close(soft, hard, atol=1e-6, rtol=0)
    gradients = [torch.autograd.grad(loss, theta)[0] for loss in (soft, hard)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=0)
    assert gradients[0].abs().max() > 0.1


def test_a_point_mass_as_soft_target_is_the_hard_loss():
    theta = torch.randn(SITES, SITES * LETTERS.size, generator=torch.Generator().manual_seed(3))
    letters = torch.tensor([[2, 0]])
    product, known = hidden_letters(torch.nn.functional.one_hot(letters, LETTERS.size).float())
    hard = replace(known, values={"sequence": letters}, drawn={})
    times = {"sequence": torch.zeros(1, SITES)}

    def network(state, times, sites, previous):
        return {"sequence": (state["sequence"].float() @ theta).unflatten(-1, (SITES, LETTERS.size))}

    soft, usual = (matching_loss(network, product, k, times, SharedNoise.keyed(0)).total for k in (known, hard))
    torch.testing.assert_close(soft, usual, atol=1e-6, rtol=0)


def test_what_was_drawn_beforehand_is_kept_but_not_at_given_sites():
    product, known = hidden_letters(torch.full((1, SITES, LETTERS.size), 0.25))
    points = torch.tensor([[1, LETTERS.mask]])
    drawn = Drawn(torch.tensor([[True, True]]), points, known.drawn["sequence"].law)
    full = {"sequence": torch.ones(1, SITES)}
    known = replace(known, values={"sequence": torch.tensor([[3, 3]])}, drawn={"sequence": drawn})
    assert corrupt(product, known, full, SharedNoise.keyed(0))["sequence"].tolist() == points.tolist()
    known = replace(known, mask={"sequence": torch.tensor([[True, False]])})
    assert corrupt(product, known, full, SharedNoise.keyed(0))["sequence"].tolist() == [[3, LETTERS.mask]]
    some = replace(known, mask={"sequence": torch.zeros(1, SITES, dtype=torch.bool)})
    some = replace(some, drawn={"sequence": replace(drawn, sites=torch.tensor([[False, True]]))})
    assert corrupt(product, some, full, SharedNoise.keyed(0))["sequence"].tolist() == [[3, LETTERS.mask]]


def absent_case():
    """Six rows of two factors; of three rows the second letter is unknown, and the mask gives the whole first row."""
    oracle = small_data()
    product = product_of(*oracle.cases)
    known = nothing_known(product, 6, SITES)
    chosen = torch.arange(6) % 3
    values = {name: z[chosen] for name, z in oracle.data.items()}
    mask = {name: torch.zeros(6, SITES, dtype=torch.bool) for name in product}
    mask["sequence"][0] = True
    absent = torch.zeros(6, SITES, dtype=torch.bool)
    absent[:3, 1] = True
    return product, Known(values, mask, known.sites, absent={"sequence": absent})


def test_where_there_are_no_data_nothing_is_given_shown_or_learnt():
    product, known = absent_case()
    absent = known.absent["sequence"]
    assert known.free("sequence")[0].tolist() == [False, True], "the mask gives the whole row, the data half of it"
    assert torch.equal(known.fitted("sequence"), known.free("sequence") & ~absent)
    assert torch.equal(known.fitted("translations"), known.free("translations"))
    times = {name: torch.full((6, SITES), 0.9) for name in product}
    other = replace(known, values={**known.values, "sequence": torch.where(absent, 0, known.values["sequence"])})
    theta = torch.randn(10, SITES * 7, generator=torch.Generator().manual_seed(1))
    states, totals = [], []
    for some in (known, other):
        states.append(corrupt(product, some, some.times(times), SharedNoise.keyed(3)))
        matching = matching_loss(linear_network(theta), product, some, times, SharedNoise.keyed(3))
        totals.append(matching.total)
        assert (matching.times["sequence"][absent] == 0.9).all()
    assert torch.equal(states[0]["sequence"][absent], states[1]["sequence"][absent])
    assert (states[0]["sequence"][absent] == LETTERS.mask).all(), "the prior of the masking path"
    assert (states[0]["sequence"][~absent] != LETTERS.mask).any()
    assert torch.equal(totals[0], totals[1]), "what stands there in the data is never read"
    before = matching_loss(linear_network(theta), product, replace(known, absent={}), times, SharedNoise.keyed(3))
    assert not torch.equal(before.total, totals[0])


def test_a_factor_without_any_data_has_no_loss():
    product, known = absent_case()
    nowhere = replace(known, absent={"sequence": torch.ones(6, SITES, dtype=torch.bool)})
    times = {name: torch.full((6, SITES), 0.5) for name in product}
    matching = matching_loss(linear_network(torch.ones(10, SITES * 7)), product, nowhere, times, SharedNoise.keyed(3))
    assert float(matching.parts["sequence"]) == 0
    assert float(matching.parts["translations"]) > 0
