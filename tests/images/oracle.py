"""A network that knows: the posterior over a few small images in closed form, as the three heads would say it."""

import torch
from torch import Tensor, nn

from gm_multimodal.images.dataset import points_of
from gm_multimodal.images.product import Pixels, sites_of
from gm_multimodal.images.unet import PIXELS


class Oracle(nn.Module):
    """What a perfectly trained network emits for data that are `images` [K, C, H, W], levels, with probabilities."""

    def __init__(self, images: Tensor, probabilities: Tensor, levels: int, bins: int) -> None:
        super().__init__()
        self.pixels = Pixels(tuple(images.shape[1:]), levels, bins)
        self.sites = sites_of(points_of(images, levels))  # [K, N, C]
        self.log_prior = probabilities.log()
        self.calls = 0

    def forward(self, state, times, sites, previous):
        self.calls += 1
        x, t = state[PIXELS], times[PIXELS]
        path, heads = self.pixels.path, self.pixels.heads
        each = self.sites[:, None].expand(-1, *x.shape)  # [K, B, N, C]
        likelihood = path.log_prob(x.expand_as(each), t.expand(each.shape[:-1]), each).sum((-2, -1))
        weight = (self.log_prior[:, None] + likelihood).softmax(0)[..., None, None]  # [K, B, 1, 1]
        zero = heads(torch.zeros(*x.shape, heads.output_shape[1]), x, t)
        velocity = path.velocity(x, t, (weight * each).sum(0) - x)
        rates, posterior = zero.rates(), zero.posterior()
        wanted = sum(w[..., None] * rates.target_rates(z) for w, z in zip(weight, each, strict=True))
        total = wanted.sum(-1).clamp(min=1e-30)
        index = posterior.bins.index(each)[..., None]  # [K, B, N, C, 1]
        is_bin = index == torch.arange(posterior.bins.count)
        inside = (weight[..., None] * is_bin).sum(0).clamp(min=1e-30)
        parts = [
            velocity[..., None],
            (total.log() - rates.log_rate)[..., None],
            (wanted / total[..., None]).clamp(min=1e-30).log() - rates.logits,
            inside.log() - posterior.logits,
        ]
        return {PIXELS: torch.cat(parts, -1)}
