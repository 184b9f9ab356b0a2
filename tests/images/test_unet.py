"""The network over pixels: what it emits, and what it depends on."""

import pytest
import torch

from gm_multimodal.images.unet import PIXELS, UNet
from gm_multimodal.sites import Sites


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    unet = UNet((2, 8, 4), 5, widths=(8, 16), blocks=2, attention=8, heads=2, dropout=0.5).eval()
    for parameter in unet.parameters():  # those that begin at zero hide what they are connected to
        torch.nn.init.normal_(parameter, std=0.2)
    return unet


def output(network, x, t):
    return network({PIXELS: x}, {PIXELS: t}, Sites.all_present(*x.shape[:2]), None)[PIXELS]


def test_every_channel_of_a_pixel_has_its_outputs(network):
    x, t = torch.randn(3, 32, 2), torch.rand(3, 1).expand(3, 32)
    assert output(network, x, t).shape == (3, 32, 2, 5)


def test_every_pixel_depends_on_all_pixels_and_on_the_time(network):
    x, t = torch.randn(1, 32, 2), torch.full((1, 32), 0.3)
    x.requires_grad_()
    output(network, x, t)[0, 0].sum().backward()
    assert (x.grad.abs() > 0).all()
    x = x.detach()
    assert not torch.allclose(output(network, x, t), output(network, x, t + 0.01), atol=1e-4)


def test_images_of_a_batch_know_nothing_of_each_other(network):
    x, t = torch.randn(4, 32, 2), torch.rand(4, 1).expand(4, 32)
    torch.testing.assert_close(output(network, x, t)[2:3], output(network, x[2:3], t[2:3]), atol=1e-4, rtol=1e-4)


def test_a_new_network_says_nothing():
    unet = UNet((1, 8, 8), 4, widths=(8, 8), blocks=1, attention=0, heads=2, dropout=0.0)
    assert output(unet, torch.randn(2, 64, 1), torch.rand(2, 64)).abs().max() == 0


def test_images_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="images of 6 x 8 pixels cannot be halved 2 times"):
        UNet((1, 6, 8), 4, widths=(8, 8, 8), blocks=1, attention=0, heads=2, dropout=0.0)
