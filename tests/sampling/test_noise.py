"""Streams: who draws, for which design, at which step, for which factor; and that the laws are right."""

import numpy as np
import pytest
import torch

from gm_multimodal.noise import DesignNoise, RowNoise, SharedNoise


def draws(seed: int = 0, designs=(0, 1, 2, 3), step: int = 4, factor: str = "rotations") -> torch.Tensor:
    return DesignNoise(seed, tuple(designs)).at(step, factor).normal((len(designs), 3))


def test_the_draws_of_a_design_do_not_depend_on_its_company():
    together = draws(designs=(0, 1, 2, 3))
    for others, row in (((2,), 0), ((3, 2, 1, 0), 1), ((9, 9, 2), 2)):
        assert torch.equal(draws(designs=others)[row], together[2])


def test_streams_do_not_depend_on_what_was_drawn_before():
    source = DesignNoise(0, (0, 1))
    first = source.at(3, "sequence").uniform((2, 5))
    source.at(2, "sequence").normal((2, 1000))
    assert torch.equal(source.at(3, "sequence").uniform((2, 5)), first)


def test_every_part_of_the_address_matters():
    """Seed, design, step (the prior's -1 and -2 included) and factor: no two of these streams share a number."""
    addresses = [
        {},
        {"seed": 1},
        {"designs": (4, 5, 6, 7)},
        {"step": -1},
        {"step": -2},
        {"step": 44},
        {"factor": "translations"},
        {"factor": "sequence"},
    ]
    numbers = torch.cat([draws(**address).flatten() for address in addresses])
    assert len(numbers.unique()) == len(numbers)


def test_seed_and_design_are_not_confounded():
    """Seed 1 of design 0 is not seed 0 of design 1, nor is seed 1, design 11 that of seed 11, design 1."""
    assert not torch.equal(draws(seed=1, designs=(0,)), draws(seed=0, designs=(1,)))
    assert not torch.equal(draws(seed=1, designs=(11,)), draws(seed=11, designs=(1,)))
    assert not torch.equal(draws(step=1, factor="1x"), draws(step=11, factor="x"))


def test_a_stream_continues_where_it_was_left():
    noise = DesignNoise(0, (0, 1)).at(0, "sequence")
    first, second = noise.uniform((2, 3)), noise.uniform((2, 3))
    assert not torch.equal(first, second)
    whole = DesignNoise(0, (0, 1)).at(0, "sequence").uniform((2, 6))
    assert torch.equal(torch.cat([first, second], -1), whole)


@pytest.mark.parametrize(
    "source", [DesignNoise(5, tuple(range(100))).at(0, "x"), SharedNoise.keyed(5)], ids=["design", "shared"]
)
def test_the_laws_are_normal_and_uniform(source):
    """Kolmogorov-Smirnov distance of 20,000 numbers below its 1 % point; neighbouring rows are not correlated."""
    normal, uniform = source.normal((100, 200)), source.uniform((100, 200))
    flat = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for value in (torch.special.ndtr(normal.double()), uniform.double()):
        assert (value.flatten().sort().values - flat).abs().max() < 1.63 / 20_000**0.5
    for value in (normal, uniform):
        correlation = torch.corrcoef(value)[torch.ones(100, 100).triu(1).bool()]
        assert correlation.abs().max() < 5 / 200**0.5
    assert uniform.min() >= 0
    assert uniform.max() < 1


def test_uniform_numbers_stay_below_one_in_single_precision():
    """The largest double below 1 would round to 1, and an event of probability 1 would fail to happen."""

    class Top(np.random.Generator):
        def random(self, size):
            return np.full(size, np.nextafter(1.0, 0.0))

    for dtype in (torch.float32, torch.float64):
        noise = RowNoise((Top(np.random.Philox(0)),), torch.device("cpu"), dtype)
        assert (noise.uniform((1, 2)) < 1).all()
        assert (noise.uniform((1, 2)) > 1 - 1e-6).all()


def test_types_are_those_asked_for():
    noise = DesignNoise(0, (0,), dtype=torch.float64).at(0, "x")
    assert noise.normal((1, 2)).dtype == noise.uniform((1, 2)).dtype == torch.float64
    assert noise.device == torch.device("cpu")
    assert DesignNoise(0, (0,)).at(0, "x").normal((1, 2)).dtype == torch.float32


def test_a_keyed_stream_depends_on_its_key_alone():
    first = SharedNoise.keyed(3, 7, 0).normal((4,))
    assert torch.equal(SharedNoise.keyed(3, 7, 0).normal((4,)), first)
    for key in ((3, 7, 1), (3, 7, -1), (3, 7, -2), (37, 0), (3, 70), (4, 7, 0)):
        assert not torch.equal(SharedNoise.keyed(*key).normal((4,)), first)


def test_a_shared_stream_serves_every_step():
    noise = SharedNoise.keyed(0)
    assert noise.at(0, "x") is noise.at(1, "y")


def test_nothing_touches_the_global_random_state():
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    draws()
    SharedNoise.keyed(0).normal((4,))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
