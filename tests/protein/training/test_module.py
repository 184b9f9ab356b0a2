"""The training step: what it logs, what it draws, and that a small network learns a small batch."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from lightning import LightningModule

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.protein.auxiliary import BackboneLosses
from gm_multimodal.protein.batch import collate
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.training.module import LARGEST_GRADIENT, gradient_ratios
from gm_multimodal.training.optimisation import MuonOptimisation, Optimisation
from tests.protein.training.conftest import VALIDATED


@pytest.fixture
def logged(monkeypatch):
    """Everything that a module without a trainer would log."""
    notes = {}
    monkeypatch.setattr(LightningModule, "log_dict", lambda self, values, **_: notes.update(values))
    monkeypatch.setattr(LightningModule, "log", lambda self, name, value, **_: notes.update({name: value}))
    return notes


@pytest.fixture
def batch(chains):
    some = chains("train")
    shortest = some.lengths.argsort()[:3].tolist()
    return collate(some, shortest)


def test_a_small_network_learns_a_small_batch(make_module, batch, logged):
    """40 steps of AdamW on three chains, the same draws every time: the joint loss falls to less than half."""
    module = make_module(width=32, layers=2).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 2.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_the_loss_is_the_sum_of_what_is_logged(make_module, batch, logged):
    module = make_module()
    loss = module.training_step(batch, 0)
    factors = sum(factor.weight * logged[f"train/{name}"] for name, factor in module.product.items())
    losses, names = module.auxiliary, ("atoms", "bonded", "contacts", "clashes", "hydrogen_bonds")
    auxiliary = sum(getattr(losses, n) * logged[f"train/share_{n}"] * logged[f"train/{n}"] for n in names)
    torch.testing.assert_close(loss.detach(), factors + auxiliary)
    assert logged["loss"] == logged["train/loss"] == loss


def test_draws_depend_on_the_step_and_on_nothing_else(make_module, batch, logged, monkeypatch):
    step = [0]
    monkeypatch.setattr(DesignModule, "global_step", property(lambda self: step[0]))
    module = make_module()
    first, again = module.training_step(batch, 0), module.training_step(batch, 5)
    assert torch.equal(first, again)
    step[0] = 1
    assert not torch.equal(module.training_step(batch, 0), first)


def test_self_conditioning_happens_in_its_share_of_the_steps(make_module, batch, logged, monkeypatch):
    step, calls = [0], []
    monkeypatch.setattr(DesignModule, "global_step", property(lambda self: step[0]))
    module = make_module()
    forward = module.network.forward
    module.network.forward = lambda *arguments: (calls.append(arguments[3] is not None), forward(*arguments))[1]
    counts = []
    for step[0] in range(40):
        calls.clear()
        module.training_step(batch, 0)
        assert calls in ([False], [False, True])
        counts.append(len(calls))
    assert 10 <= counts.count(2) <= 30


def test_training_tells_a_part_of_the_conditions_and_validation_nothing(make_module, batch, logged, monkeypatch):
    step, told = [0], []
    monkeypatch.setattr(DesignModule, "global_step", property(lambda self: step[0]))
    module = make_module(conditions=["secondary"])
    forward = module.network.forward

    def watching(state, times, sites, previous):
        told.append({name: states for name, states in sites.context.items() if name not in (INDEX, CHAIN)})
        return forward(state, times, sites, previous)

    module.network.forward = watching
    for step[0] in range(20):
        module.training_step(batch, 0)
    assert all(set(conditions) == {"secondary"} for conditions in told)
    share = float(torch.stack([(conditions["secondary"] > 0).float().mean() for conditions in told]).mean())
    assert 0.1 < share < 0.6  # half of the rows nothing, an eighth everything, the rest half of it: .31 without padding
    told.clear()
    module.validation_step(batch, 0)
    assert told == [{}] * len(told)


def test_a_network_that_takes_no_conditions_is_told_none(make_module, batch, logged):
    """Its loss is the one of a network that takes them and has not learned them."""
    without, untrained = (make_module(conditions=names) for names in ([], ["secondary", "interface"]))
    assert torch.equal(without.training_step(batch, 0), untrained.training_step(batch, 0))


def test_validation_is_the_same_each_time_and_names_every_factor(make_module, batch, logged):
    module = make_module().eval()
    module.validation_step(batch, 0)
    first = dict(logged)
    assert set(first) == {f"validation/{name}" for name in VALIDATED}
    assert all(value.isfinite() for value in first.values())
    module.validation_step(batch, 0)
    assert first == logged
    module.validation_step(batch, 1)
    assert first != logged


def test_an_untrained_network_knows_no_residues(make_module, batch, logged):
    """Inverse folding from nothing costs about log 20 a residue."""
    make_module().eval().validation_step(batch, 0)
    assert float(logged["validation/inverse_folding"].detach()) == pytest.approx(3.0, abs=0.2)


def test_the_learning_rate_rises_stays_and_falls():
    optimisation = Optimisation(warmup_steps=10, decay_share=0.4)
    factors = [optimisation.factor(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:61] == pytest.approx([1.0] * 52)
    assert all(a > b for a, b in pairwise(factors[61:]))
    assert factors[80] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)
    assert Optimisation(warmup_steps=0, decay_share=0.0).factor(0, 10) == 1.0


def test_auxiliary_losses_rise_in_their_share_of_the_steps(make_module, batch, logged, monkeypatch):
    """Off before 20 % of 10 steps, in full from 60 %, along a line in between; the cap is kept out of it."""
    caps = dict.fromkeys(BackboneLosses().weights, torch.tensor(7.0))
    monkeypatch.setattr("gm_multimodal.training.module.gradient_ratios", lambda *_: caps)
    module, step = make_module(), [0]
    module.auxiliary = BackboneLosses(on_from=0.2, full_from=0.6)
    monkeypatch.setattr(DesignModule, "global_step", property(lambda self: step[0]))
    module._trainer = SimpleNamespace(max_steps=10)
    shares = []
    for step[0] in range(10):
        logged.clear()
        module.training_step(batch, 0)
        shares.append(float(logged.get("train/share_bonded", 0.0)))
        assert ("train/bonded" in logged) == (shares[-1] > 0)  # while they are off they are not computed
    assert shares == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1])


def test_a_rise_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match=r"on from 0\.5 and in full from 0\.2"):
        BackboneLosses(on_from=0.5, full_from=0.2)


def test_each_auxiliary_gradient_is_capped(make_module, batch, logged):
    """With respect to the outputs that it depends on: no longer than allowed, and of the same direction as before."""
    module = make_module()
    noise = module.noise(0, 0)
    known, times = module.curriculum.draw(batch, module.product, noise)
    matching = module.match(known, times, noise, False)
    outputs = [matching.outputs[name] for name in ("translations", "rotations")]

    def gradient(loss):
        return torch.cat([x.flatten() for x in torch.autograd.grad(loss, outputs, retain_graph=True)])

    loss, logs = module._with_auxiliary(matching, known)
    main, expected = gradient(matching.total), 0
    for name, weight in module.auxiliary.weights.items():
        full, share = gradient(weight * logs[name]), float(logs[f"share_{name}"])
        assert share == pytest.approx(min(1.0, LARGEST_GRADIENT * float(main.norm() / full.norm())), rel=1e-3)
        expected = expected + share * full
    assert min(float(logs[f"share_{name}"]) for name in module.auxiliary.weights) < 0.5  # an untrained network
    torch.testing.assert_close(gradient(loss) - main, expected, rtol=1e-3, atol=1e-4)


def test_ratios_of_gradients():
    x, unused = torch.tensor([3.0, 4.0], requires_grad=True), torch.zeros(2, requires_grad=True)
    outputs = {"a": x, "unused": unused}
    others = {"small": x.sum(), "none": (0 * x).sum(), "large": (50 * x).sum()}
    ratios = gradient_ratios((10 * x).sum() + unused.sum(), others, outputs)
    assert float(ratios["small"]) == pytest.approx(10)
    assert float(ratios["large"]) == pytest.approx(0.2)
    assert ratios["none"] > 1 and ratios["none"].isfinite()


def test_muon_steps_the_matrices_between_features_and_adamw_the_rest(make_module):
    network = make_module(layers=2).network
    optimizer = MuonOptimisation().optimizer(network, fused=True)
    muon, decayed, plain = ({id(p) for p in group["params"]} for group in optimizer.param_groups)
    assert len(muon) + len(decayed) + len(plain) == len(list(network.parameters()))
    for name, weight in network.named_parameters():
        inside = name.split(".")[0] in ("layers", "pairs") and ".move." not in name
        assert (id(weight) in muon) == (inside and weight.ndim == 2), name
        assert (id(weight) in plain) == (weight.ndim < 2), name


def test_muon_moves_a_matrix_by_the_same_length_in_all_directions():
    """An orthogonalised step: singular values within .7 to 1.3 of .2 sqrt(max(m, n)) times the learning rate."""
    linear = torch.nn.Linear(32, 16)
    before = linear.weight.detach().clone()
    layers = torch.nn.Sequential(torch.nn.Sequential(linear))
    optimizer = MuonOptimisation(matrix_learning_rate=0.1, weight_decay=0.0).optimizer(layers, fused=True)
    (linear(torch.randn(64, 32, generator=torch.manual_seed(0))) ** 2).sum().backward()
    optimizer.step()
    moved = torch.linalg.svdvals(linear.weight.detach() - before) / (0.1 * 0.2 * 32**0.5)
    assert moved.min() > 0.6 and moved.max() < 1.3


@pytest.mark.parametrize(
    "mistake", [{"learning_rate": -1}, {"weight_decay": float("nan")}, {"matrix_learning_rate": -1}, {"momentum": 1.0}]
)
def test_rates_that_no_optimiser_takes_are_refused(mistake):
    with pytest.raises(ValueError, match=next(iter(mistake))):
        MuonOptimisation(**mistake)


def test_matrices_decay_and_vectors_do_not(make_module, monkeypatch):
    module = make_module()
    monkeypatch.setattr(type(module), "trainer", SimpleNamespace(estimated_stepping_batches=10, precision="32-true"))
    optimizer = module.configure_optimizers()["optimizer"]
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for p in module.parameters():
        assert decays[id(p)] == (0.01 if p.ndim > 1 else 0.0)
