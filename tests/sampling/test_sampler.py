"""The loop: one call a step, observers see everything, and a design is its own whatever its company."""

import pytest
import torch

from gm_multimodal.noise import DesignNoise, SharedNoise
from gm_multimodal.product import Known
from gm_multimodal.protein.blueprint import blank, to_known
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.observers import ChosenProbability, StateRecorder, StepCallback
from gm_multimodal.sampling.sampler import Sampler
from gm_multimodal.spaces.rotations import Rotations
from tests.networks.trunks import random_state, random_trunk
from tests.protein.products import protein_product

LENGTH = 8
CPU = torch.device("cpu")


@pytest.mark.parametrize("steps", [1, 3, 100])
def test_a_grid_runs_from_zero_to_one(steps):
    times = UniformGrid(steps).times()
    assert times.dtype == torch.float64
    assert len(times) == steps + 1
    assert times[0] == 0
    assert times[-1] == 1
    torch.testing.assert_close(times.diff(), torch.full((steps,), 1 / steps, dtype=torch.float64))


def test_the_last_step_of_a_grid_can_be_longer():
    steps = UniformGrid(5, last_step=0.2).times().diff()
    torch.testing.assert_close(steps, torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2], dtype=torch.float64))
    steps = UniformGrid(10, last_step=0.55).times().diff()
    torch.testing.assert_close(steps[-1], torch.tensor(0.55, dtype=torch.float64))
    torch.testing.assert_close(steps[:-1], torch.full((9,), 0.05, dtype=torch.float64))
    assert UniformGrid(1, last_step=0.3).times().tolist() == [0, 1]


@pytest.mark.parametrize("last_step", [0, 1, -0.1, float("nan")])
def test_a_last_step_that_leaves_no_time_is_refused(last_step):
    with pytest.raises(ValueError, match="last_step"):
        UniformGrid(10, last_step)


def test_a_grid_without_steps_is_refused():
    with pytest.raises(ValueError, match="steps is 0"):
        UniformGrid(0)


def sample(network, designs, steps: int = 4, observers=(), length: int = LENGTH, **settings):
    product = protein_product(**settings)
    known, _ = to_known([blank(length)] * len(designs), product, CPU)
    return Sampler(UniformGrid(steps))(network, product, known, DesignNoise(7, designs), observers)


@pytest.mark.parametrize("order", ["random", "purity"])
def test_a_design_is_the_same_in_any_company(order):
    """Bytes, in blocks of four: design 1 beside 0, 2, 3 and beside 5, 7, 8."""
    trunk = random_trunk(torch.float32)
    settings = {"order": order, "remasking": 3.0, "temperature": 0.5}
    first, second = sample(trunk, (0, 1, 2, 3), **settings), sample(trunk, (5, 1, 7, 8), **settings)
    for name in first:
        assert first[name][1].numpy().tobytes() == second[name][1].numpy().tobytes()
        assert not torch.equal(first[name][0], second[name][0])
    assert torch.equal(sample(trunk, (1, 3, 0, 2), **settings)["translations"][0], first["translations"][1])


def test_the_network_is_called_once_a_step_and_fed_back_its_own_means():
    trunk, calls = random_trunk(torch.float32), []

    def spy(state, times, sites, previous):
        assert not torch.is_grad_enabled()
        output = trunk(state, times, sites, previous)
        calls.append((state, times, previous, output))
        return output

    steps = []
    final = sample(spy, (0, 1), steps=5, observers=[steps.append])
    assert len(calls) == 5
    assert [step.number for step in steps] == [0, 1, 2, 3, 4]
    assert calls[0][2] is None
    for before, (state, times, previous, _) in zip(steps, calls[1:], strict=False):
        for name, prediction in before.predictions.items():
            assert torch.equal(previous[name], prediction.mean())
            assert torch.equal(state[name], before.next_state[name])
        assert (times["translations"] == (before.number + 1) / 5).all()
    product = protein_product()
    clock = product["rotations"].clock(torch.arange(5, dtype=torch.float64) / 5).float()
    torch.testing.assert_close(torch.stack([times["rotations"][0, 0] for _, times, _, _ in calls]), clock)
    assert all(torch.equal(final[name], steps[-1].next_state[name]) for name in final)


def test_every_step_and_factor_has_its_own_stream():
    product = protein_product()
    known, _ = to_known([blank(LENGTH)], product, CPU)
    source, addresses = DesignNoise(0, (0,)), []

    class Watched:
        def at(self, step, factor):
            addresses.append((step, factor))
            return source.at(step, factor)

    Sampler(UniformGrid(3))(random_trunk(torch.float32), product, known, Watched())
    assert sorted(addresses) == sorted((step, name) for step in (-1, 0, 1, 2) for name in product)


def test_everything_arrives_at_the_last_prediction():
    """At t = 1 flows stand at the endpoints of the last call, centred, and no residue is masked."""
    steps = []
    final = sample(random_trunk(torch.float32), (0, 1, 2), observers=[steps.append])
    last = steps[-1].predictions
    endpoint = last["translations"].mean()
    torch.testing.assert_close(final["translations"], endpoint - endpoint.mean(1, keepdim=True), atol=1e-5, rtol=0)
    torch.testing.assert_close(final["rotations"], last["rotations"].mean(), atol=1e-5, rtol=0)
    assert final["sequence"].max() < 20


def test_observers_change_nothing():
    trunk = random_trunk(torch.float32)
    watched = sample(trunk, (0, 1), observers=[StateRecorder(), ChosenProbability("sequence", 20), StepCallback(list)])
    alone = sample(trunk, (0, 1))
    assert all(torch.equal(watched[name], alone[name]) for name in alone)


def test_the_recorder_keeps_the_prior_and_every_step():
    recorder, ticks = StateRecorder(), []
    final = sample(
        random_trunk(torch.float32), (0, 1), steps=3, observers=[recorder, StepCallback(lambda: ticks.append(1))]
    )
    assert len(ticks) == 3
    assert len(recorder.states) == 4
    assert (recorder.states[0]["sequence"] == 20).all()
    assert recorder.states[0]["translations"].mean(1).abs().max() < 1e-6
    assert all(torch.equal(recorder.states[-1][name], final[name]) for name in final)


def scripted(calls):
    """A network whose letter probabilities are other ones at every call, very sure of a single letter per site."""

    def network(state, times, sites, previous):
        rows, sites = state["sequence"].shape
        rng = torch.Generator().manual_seed(len(calls))
        logits = 2 * torch.randn(rows, sites, 20, generator=rng)
        calls.append((state["sequence"], logits))
        return {"translations": state["translations"], "rotations": torch.zeros(rows, sites, 4), "sequence": logits}

    return network


@pytest.mark.parametrize("remasking", [0.0, 10.0])
def test_confidence_is_the_probability_of_the_choice_at_the_last_unmasking(remasking):
    """At temperature 1 whatever the temperature of the draws; followed by hand through re-masking."""
    calls, recorder, confidence = [], StateRecorder(), ChosenProbability("sequence", 20)
    settings = {"remasking": remasking, "temperature": 0.3}
    sample(scripted(calls), (0, 1, 2), steps=8, observers=[recorder, confidence], length=30, **settings)
    tokens = [state["sequence"] for state in recorder.states]
    returns = 0
    for row in range(3):
        for site in range(30):
            opened = [k for k in range(8) if tokens[k][row, site] == 20 and tokens[k + 1][row, site] != 20]
            returns += len(opened) - 1
            k = opened[-1]
            expected = calls[k][1][row, site].softmax(-1)[tokens[k + 1][row, site]]
            torch.testing.assert_close(confidence.value()[row, site], expected)
            assert tokens[-1][row, site] == tokens[k + 1][row, site]
    assert (returns > 0) == (remasking > 0)


def test_given_letters_are_certain():
    product = protein_product()
    free, _ = to_known([blank(LENGTH)], product, CPU)
    mask = {**free.mask, "sequence": torch.arange(LENGTH)[None] < 3}
    known = Known(free.values, mask, free.sites)
    confidence = ChosenProbability("sequence", 20)
    Sampler(UniformGrid(4))(scripted([]), product, known, SharedNoise.keyed(0), [confidence])
    assert (confidence.value()[0, :3] == 1).all()
    assert (confidence.value()[0, 3:] < 1).all()


@pytest.mark.parametrize("start", [0.0, 0.25, 0.9])
def test_a_grid_may_begin_later_and_keeps_its_shape(start):
    whole, later = UniformGrid(6, 0.1).times(), UniformGrid(6, 0.1, start).times()
    torch.testing.assert_close(later, start + (1 - start) * whole)
    assert (later[0], later[-1]) == (start, 1)


@pytest.mark.parametrize("start", [-0.1, 1.0, float("nan")])
def test_a_start_without_meaning_is_refused(start):
    with pytest.raises(ValueError, match="start"):
        UniformGrid(3, start=start)


def noised(start: float, rows: int = 400):
    """States at which simulations of a random protein begin, its values, and what is known of it."""
    product = protein_product()
    known, _ = to_known([blank(LENGTH)] * rows, product, CPU)
    values = {k: x[:1].expand_as(known.values[k]) for k, x in random_state(1, LENGTH, torch.float32, types=19).items()}
    values["translations"] = values["translations"] - values["translations"].mean(1, keepdim=True)
    mask = {**known.mask, "translations": torch.arange(LENGTH).expand(rows, LENGTH) < 2}
    whole, partly = Known(values, known.mask, known.sites), Known(values, mask, known.sites)
    recorders = []
    for case in (whole, partly):
        recorders.append(StateRecorder())
        noise = DesignNoise(1, tuple(range(rows)))
        Sampler(UniformGrid(1, start=start))(scripted([]), product, case, noise, [recorders[-1]])
    return recorders[0].states[0], recorders[1].states[0], values


def test_a_simulation_may_begin_with_noised_data():
    """x_t of the paths around the values, n = 400 rows: mean t z, standard deviation (1 - t), masks with 1 - t."""
    t = 0.6
    whole, partly, values = noised(t)
    x, z = whole["translations"], values["translations"]
    spread = (1 - t) * (1 - 1 / LENGTH) ** 0.5  # without the mean over the sites
    assert x.mean(1).abs().max() < 1e-6
    assert (x.mean(0) - t * z[0]).abs().max() < 4.5 * spread / 400**0.5
    assert float((x - t * z).std()) == pytest.approx(spread, rel=0.04)
    angle = Rotations().log(whole["rotations"], values["rotations"]).norm(dim=-1)
    assert angle.max() <= (1 - t) * torch.pi + 1e-3
    is_masked = whole["sequence"] == 20
    assert (whole["sequence"] == values["sequence"])[~is_masked].all()
    assert abs(float(is_masked.float().mean()) - (1 - t)) < 4 * (t * (1 - t) / 400 / LENGTH) ** 0.5
    assert torch.equal(partly["translations"][:, :2], z[:, :2])  # what is given is never noised


def test_who_was_masked_at_the_start_was_chosen_by_the_simulation():
    product = protein_product()
    known, _ = to_known([blank(30)], product, CPU)
    confidence, recorder = ChosenProbability("sequence", 20), StateRecorder()
    grid = UniformGrid(3, start=0.5)
    Sampler(grid)(scripted([]), product, known, DesignNoise(1, (0,)), [confidence, recorder])
    assert torch.equal(confidence.chosen(), recorder.states[0]["sequence"] == 20)
    assert 0 < int(confidence.chosen().sum()) < 30
