"""The training step over images, and what is validated."""

from typing import final

import torch
from torch import Tensor, nn

from gm_multimodal.images.heads import PixelPrediction
from gm_multimodal.images.product import Pixels
from gm_multimodal.images.unet import PIXELS
from gm_multimodal.training.batches import Batch
from gm_multimodal.training.every_time import at_time
from gm_multimodal.training.module import HELD_OUT_LOSS, VALIDATION_TIMES, MatchingModule, Means
from gm_multimodal.training.optimisation import Optimisation


@final
class ImageModule(MatchingModule):
    """A network over pixels, validated head by head.

    Args:
        network: the network.
        pixels: what its pixels are.
        optimisation: optimiser and schedule.
        seed: determines every draw.
    """

    def __init__(self, network: nn.Module, pixels: Pixels, optimisation: Optimisation, seed: int) -> None:
        super().__init__(network, pixels.product(), optimisation, seed)

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of one batch; what is dropped out depends on the step alone, like every draw."""
        devices = [self.device] if self.device.type == "cuda" else []
        place = self.share.place(number % self.share.accumulated)
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(self.noise(self.global_step, -2 - place).rng.initial_seed()))
            return super().training_step(batch, number)

    def validation_step(self, batch: Batch, number: int) -> None:
        """Log the loss of every head, with the same draws each time."""
        rows, number = len(batch.sites.present), self.share.place(number)
        heads = Means()
        for k, s in enumerate(VALIDATION_TIMES):
            known, times = at_time(batch, self.product, torch.full((rows,), s, device=self.device))
            matching = self.match(known, times, self.noise(number, k), feeds_back=False)
            prediction = matching.predictions[PIXELS]
            assert isinstance(prediction, PixelPrediction)
            heads.add({name: loss.mean() for name, loss in prediction.losses(known.values[PIXELS]).items()})
        means = {f"validation/{name}": mean for name, mean in heads.values().items()}
        losses = {**means, HELD_OUT_LOSS: torch.stack(list(means.values())).sum()}
        self.log_dict(losses, batch_size=rows, sync_dist=True)
