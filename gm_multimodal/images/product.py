"""Images as points of a product space: one factor, whose sites are pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from gm_multimodal.images.heads import Heads, data_bins
from gm_multimodal.images.unet import PIXELS
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.base import Process
from gm_multimodal.processes.flow import Flow
from gm_multimodal.product import Factor, Known, Product, State
from gm_multimodal.schedules import Linear, Schedule
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean


@final
@dataclass(frozen=True)
class Pixels:
    """What the pixels of a data set are to the framework.

    Attributes:
        shape: (C, H, W).
        levels: values of a channel, evenly spaced from -1 to 1.
        bins: of the heads over [-1, 1].
    """

    shape: Sequence[int]
    levels: int
    bins: int

    @property
    def path(self) -> GaussianPath:
        """The path of all processes: straight lines from a standard normal."""
        return GaussianPath(Euclidean(self.shape[0]))

    @property
    def heads(self) -> Heads:
        """How the network is read."""
        return Heads(self.path, data_bins(self.bins), self.levels)

    def product(self, process: Process | None = None, clock: Schedule | None = None) -> Product:
        """Return the product of the one factor; what moves it matters to samplers alone."""
        return {PIXELS: Factor(process or Flow(self.path), self.heads, clock or Linear())}

    def blank(self, rows: int, device: torch.device) -> Known:
        """Return that nothing is known of `rows` images."""
        _, height, width = self.shape
        return Known({}, {}, Sites.all_present(rows, height * width, device))

    def images(self, state: State) -> Tensor:
        """Return the points [B, H W, C] of a state as images [B, C, H, W]."""
        return state[PIXELS].movedim(-1, 1).unflatten(-1, tuple(self.shape[1:]))


def sites_of(images: Tensor) -> Tensor:
    """Return images [B, C, H, W] as points of sites, [B, H W, C]."""
    return images.flatten(2).movedim(1, -1).contiguous()


@final
@dataclass(frozen=True)
class ImageBatch:
    """Images side by side.

    Attributes:
        state: pixels [B, H W, C] in [-1, 1].
        sites: the pixels, all present.
    """

    state: State
    sites: Sites

    def to(self, device: torch.device, *_: Any, **__: Any) -> "ImageBatch":
        """Return the batch on another device (called by the trainer with arguments of its own)."""
        return ImageBatch.of(self.state[PIXELS].to(device))

    def counted(self) -> dict[str, int]:
        """Say how much a training sees in this batch."""
        return {"images_seen": len(self.sites.present)}

    @staticmethod
    def of(points: Tensor) -> "ImageBatch":
        """Return the batch of points of sites, [B, H W, C]."""
        rows, pixels, _ = points.shape
        return ImageBatch({PIXELS: points}, Sites.all_present(rows, pixels, points.device))
