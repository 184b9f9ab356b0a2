"""The samplers: with a perfect network all draw the data's law, and each does in its steps what it promises."""

import math
from dataclasses import replace

import pytest
import torch

from gm_multimodal.app.images.sample_options import SAMPLERS
from gm_multimodal.images.heads import VELOCITY, landing_bins
from gm_multimodal.images.product import Pixels
from gm_multimodal.images.samplers import METHODS, ImageSampler, Settings
from gm_multimodal.images.unet import PIXELS, UNet
from gm_multimodal.noise import SharedNoise
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.flow_with_rates import FlowWithRates
from gm_multimodal.processes.rates import RateJump
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.sampling.sampler import Sampler
from tests.images.oracle import Oracle

SETTINGS = Settings(jump=0.5, noise=1.0, late=1.0)


IMAGES = torch.tensor([[0, 8, 16], [16, 16, 0], [4, 0, 12], [0, 8, 0]], dtype=torch.uint8)[:, None, None]
LAW = torch.tensor([0.4, 0.3, 0.2, 0.1])


@pytest.fixture(scope="module")
def oracle():
    return Oracle(IMAGES, LAW, levels=17, bins=17)


def shares(images, near: int):
    """The share of each of the four images among samples, of which every pixel may be `near` levels away."""
    distance = (images.flatten(1)[:, None].int() - IMAGES.flatten(1)[None].int()).abs().amax(-1)
    return (distance <= near).double().mean(0)


def test_the_command_knows_the_samplers():
    assert tuple(METHODS) == SAMPLERS


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_a_perfect_network_the_law_of_the_data_is_drawn(oracle, name):
    """500 images of 40 calls: the noise of a share is 0.022; all but a few samples are one of the four images."""
    sampler = ImageSampler(name, 40, SETTINGS, rows=500)
    images = sampler.block(oracle, oracle.pixels, seed=3, number=0)
    found = shares(images, near=2)
    assert found.sum() > 0.95
    torch.testing.assert_close(found / found.sum(), LAW.double(), atol=0.09, rtol=0)


@pytest.mark.parametrize("calls", [1, 6, 7])
@pytest.mark.parametrize("name", SAMPLERS)
def test_calls_are_calls_of_the_network(oracle, name, calls):
    oracle.calls = 0
    ImageSampler(name, calls, SETTINGS, rows=2).block(oracle, oracle.pixels, seed=0, number=0)
    assert oracle.calls == calls


@pytest.mark.parametrize("name", ["flow", "jump-improved", "mixed"])
def test_an_image_is_the_same_however_many_are_asked_for(oracle, name):
    sampler = ImageSampler(name, 4, SETTINGS, rows=8)
    few, many = (sampler.images(oracle, oracle.pixels, 5, count, lambda _: None) for count in (3, 20))
    assert torch.equal(few, many[:3])
    assert len(many) == 20
    assert not torch.equal(many[:8], many[8:16])


@pytest.mark.parametrize(("weight", "part"), [(0.0, Flow), (1.0, RateJump)])
def test_the_superposition_has_its_parts_at_its_ends(oracle, weight, part):
    path = oracle.pixels.path
    results = []
    for process in (FlowWithRates(path, weight), part(path)):
        known = oracle.pixels.blank(40, torch.device("cpu"))
        product = oracle.pixels.product(process)
        arguments = (product, known, SharedNoise.keyed(2))
        results.append(Sampler(UniformGrid(6))(oracle, *arguments)[PIXELS])
    # at weight 0 nothing ever jumps, at 1 nothing drifts: the same draws give the same points
    torch.testing.assert_close(results[0], results[1])


def test_a_step_of_the_superposition_drifts_and_jumps_by_its_weights():
    """From t = 0.4 to 0.5 at weight a: a share 1 - exp(-a lambda R) lands, the rest moves by (1 - a) h v."""
    a, t, t_next, v, rate, sites = 0.3, 0.4, 0.5, 2.0, 5.0, 40_000
    heads = Pixels((1, 2, 2), 17, 17).heads
    output = torch.zeros(sites, 1, heads.output_shape[1])
    output[..., VELOCITY] = v
    output[..., 1] = math.log(rate * (1 - t))
    output[..., 1 + landing_bins(heads.bins).count] = 1e4  # all land in the outermost bin
    x, times = torch.zeros(sites, 1), torch.full((sites,), t)
    prediction = heads(output, x, times)
    after = FlowWithRates(heads.path, a).transition(x, times, times + 0.1, prediction, SharedNoise.keyed(4))
    landed = after > 1.3
    elapsed = (1 - t) / 2 * (((1 - t) / (1 - t_next)) ** 2 - 1)  # of ((1 - t) / (1 - s))^3 over the step
    assert float(landed.double().mean()) == pytest.approx(1 - math.exp(-a * rate * elapsed), abs=0.01)
    torch.testing.assert_close(after[~landed], torch.full_like(after[~landed], (1 - a) * 0.1 * v))


def test_half_precision_draws_nearly_the_same_images(oracle):
    torch.manual_seed(0)
    network = UNet((1, 2, 2), oracle.pixels.heads.output_shape[1], [16], 1, 0, 4, 0.0).eval()
    torch.nn.init.normal_(network.emit.weight, std=0.05)
    pixels = Pixels((1, 2, 2), 256, 17)
    full, half = (
        ImageSampler("flow", 4, SETTINGS, rows=50, precision=precision).block(network, pixels, 0, 0).double()
        for precision in (torch.float32, torch.bfloat16)
    )
    assert 0 < float((full - half).abs().mean()) < 1, "levels of 256"


def test_a_weight_beyond_its_range_is_refused(oracle):
    with pytest.raises(ValueError, match=r"jump_weight is 1\.5; give a number from 0 to 1"):
        FlowWithRates(oracle.pixels.path, 1.5)


def test_settings_reach_the_process(oracle):
    flow, jump = (
        ImageSampler("superposition", 8, replace(SETTINGS, jump=weight), rows=50).block(oracle, oracle.pixels, 0, 0)
        for weight in (0.0, 1.0)
    )
    plain = ImageSampler("jump-improved", 8, SETTINGS, rows=50).block(oracle, oracle.pixels, 0, 0)
    assert torch.equal(jump, plain)
    assert not torch.equal(flow, plain)
    still, deterministic, equal_steps = (
        ImageSampler(name, 8, settings, rows=50).block(oracle, oracle.pixels, 0, 0)
        for name, settings in [
            ("sde", replace(SETTINGS, noise=0.0, late=5.0)),
            ("flow", replace(SETTINGS, noise=5.0)),
            ("jump-improved", replace(SETTINGS, late=0.0)),
        ]
    )
    assert torch.equal(still, deterministic)
    assert not torch.equal(equal_steps, plain)
