"""Densities along the flow against closed forms: a Gaussian law of positions, and a model that knows the data."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import SharedNoise
from gm_multimodal.product import Known, Product
from gm_multimodal.protein.batch import single_chain
from gm_multimodal.sampling.flow_density import flow_density
from gm_multimodal.sampling.grids import ShrinkingGrid
from tests.protein.products import protein_product

SITES = 4
FRAMES = ("translations", "rotations")
REMAINDER = 0.05


def generic_data(product: Product, seed: int = 0) -> dict[str, Tensor]:
    """One chain in double precision, its positions with zero mean."""
    noise = SharedNoise(torch.Generator().manual_seed(seed), torch.float64)
    x = noise.normal((1, SITES, 3))
    return {
        "translations": x - x.mean(1, keepdim=True),
        "rotations": product["rotations"].process.path.space.prior((1, SITES), noise),
        "sequence": torch.tensor([[3, 0, 7, 19]]),
    }


@dataclass
class Oracle:
    """A posterior that is N(mean, covariance x I_3) of the positions, and a point mass of all else."""

    data: dict[str, Tensor]
    mean: Tensor
    covariance: Tensor
    product: Product

    def __call__(self, state, times, sites, previous):
        t = times["translations"].amin().clamp(max=1 - 1e-9)
        gain = t * self.covariance @ torch.linalg.pinv(self.variance(t), hermitian=True)
        positions = self.mean + gain @ (state["translations"] - t * self.mean)
        turns = self.product["rotations"].process.path.space
        remaining = (1 - times["rotations"]).clamp(min=1e-9)[..., None]
        v = turns.log(state["rotations"], self.data["rotations"].expand_as(state["rotations"])) / remaining
        logits = state["translations"].new_zeros(*v.shape[:2], 20)
        return {"translations": positions, "rotations": torch.cat([v, v[..., :1]], -1), "sequence": logits}

    def variance(self, t: Tensor) -> Tensor:
        """Of x_t, between sites."""
        return t**2 * self.covariance + (1 - t) ** 2 * centring()


def centring() -> Tensor:
    return torch.eye(SITES, dtype=torch.float64) - 1 / SITES


def oracle(product: Product, data: dict[str, Tensor], spread: float) -> Oracle:
    rng = torch.Generator().manual_seed(3)
    a = torch.randn(SITES, SITES, generator=rng, dtype=torch.float64)
    mean = generic_data(product, seed=9)["translations"]
    return Oracle(
        data, mean if spread else data["translations"], spread**2 * centring() @ a @ a.T @ centring(), product
    )


def described(network, product, data, rows: int, steps: int, mask=None, factors=FRAMES) -> Tensor:
    values = {name: x.expand(rows, *x.shape[1:]) for name, x in data.items()}
    present = torch.ones(rows, SITES, dtype=torch.bool)
    given = {name: (torch.zeros(SITES, dtype=torch.bool) if mask is None else mask).expand(rows, -1) for name in FRAMES}
    known = Known(values, {**given, "sequence": torch.zeros_like(present)}, single_chain(present))
    noise = SharedNoise(torch.Generator().manual_seed(0), torch.float64)
    grid = ShrinkingGrid(steps, REMAINDER)
    return flow_density(network, product, known, factors, grid, noise).description


def test_a_gaussian_law_is_described_in_its_closed_form():
    """4 sites, 2,000 estimates with a standard error of about 0.1 nat; 40 steps leave a bias below 0.02."""
    product = protein_product()
    data = generic_data(product)
    network = oracle(product, data, spread=0.7)
    found = described(network, product, data, rows=2000, steps=40)
    t = torch.tensor(1 - REMAINDER, dtype=torch.float64)
    # KL(N(t z, (1 - t)^2) || N(t mean, variance)) within the subspace of zero mean, three times per coordinate axis
    inverse = torch.linalg.pinv(network.variance(t), hermitian=True)
    shift = t * (data["translations"] - network.mean)[0]
    axes = torch.linalg.eigvalsh(network.variance(t))[1:]  # the first belongs to the mean over the sites
    expected = 0.5 * (
        3 * (inverse * centring()).sum() * (1 - t) ** 2
        + (shift * (inverse @ shift)).sum()
        - 3 * (SITES - 1)
        + 3 * torch.log(axes / (1 - t) ** 2).sum()
    )
    error = found.std() / len(found) ** 0.5
    assert error < 0.15 < expected / 50
    assert abs(found.mean() - expected) < 4 * error


@pytest.mark.parametrize("given", [[], [1], [0, 1, 3]], ids=["nothing", "one", "three"])
def test_a_model_that_knows_the_data_needs_nothing_to_describe_them(given):
    """Whatever is given; on SO(3) the divergence must make up for the geometry of half a turn."""
    product = protein_product()
    data = generic_data(product)
    mask = torch.zeros(SITES, dtype=torch.bool)
    mask[given] = True
    found = described(oracle(product, data, spread=0.0), product, data, rows=600, steps=40, mask=mask)
    error = found.std() / len(found) ** 0.5
    assert error < 0.05
    assert abs(found.mean()) < 4 * error + 0.01


def test_the_error_of_the_midpoint_rule_falls_with_the_square_of_the_step():
    """A covariance like the noise makes the derivative a multiple of the identity, whose trace has no noise."""
    product = protein_product()
    data = generic_data(product)
    network = Oracle(data, generic_data(product, seed=9)["translations"], 0.5 * centring(), product)
    exact, *coarse = (described(network, product, data, 4, k, factors=["translations"]) for k in (400, 10, 20))
    errors = [(x - exact).abs().mean().item() for x in coarse]
    assert 3 < errors[0] / errors[1] < 5
    assert errors[1] < 0.1


def test_what_is_not_measured_is_given_at_time_one_or_rests_at_time_zero():
    product = protein_product()
    data = generic_data(product)
    network = oracle(product, data, spread=0.7)
    seen = []

    def watching(state, times, sites, previous):
        seen.append((state["sequence"].clone(), times["sequence"].clone(), previous))
        return network(state, times, sites, previous)

    present = torch.ones(1, SITES, dtype=torch.bool)
    for is_given in (False, True):
        mask = {name: torch.zeros_like(present) for name in FRAMES} | {"sequence": present & is_given}
        known = Known(data, mask, single_chain(present))
        noise = SharedNoise(torch.Generator().manual_seed(0), torch.float64)
        seen.clear()
        flow_density(watching, product, known, FRAMES, ShrinkingGrid(3, 0.1), noise)
        assert len(seen) == 9
        for sequence, time, previous in seen:
            assert (time == float(is_given)).all() and previous is None
            assert (sequence == data["sequence"]).all() if is_given else (sequence == 20).all()


def test_a_factor_without_a_flow_is_refused():
    product = protein_product()
    data = generic_data(product)
    present = torch.ones(1, SITES, dtype=torch.bool)
    known = Known(data, {name: ~present for name in product}, single_chain(present))
    noise = SharedNoise(torch.Generator().manual_seed(0))
    with pytest.raises(IncompatibleProcess, match="density of sequence"):
        flow_density(None, product, known, ["sequence"], ShrinkingGrid(3, 0.1), noise)


def test_a_shrinking_grid_integrates_its_pole_exactly():
    grid = ShrinkingGrid(7, 0.02)
    times, middles = grid.times(), grid.middles()
    assert times[0] == 0 and times[-1].item() == pytest.approx(0.98)
    assert ((times[:-1] < middles) & (middles < times[1:])).all()
    assert (times.diff() / (1 - middles)).sum().item() == pytest.approx(-torch.tensor(0.02).log().item(), rel=1e-6)
    for steps, remainder in [(0, 0.1), (3, 0.0), (3, 1.0)]:
        with pytest.raises(ValueError, match="ShrinkingGrid"):
            ShrinkingGrid(steps, remainder)
