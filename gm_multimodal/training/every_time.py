"""The simplest curriculum: nothing is given, and every time is practised."""

from collections.abc import Mapping
from typing import final

from torch import Tensor

from gm_multimodal.noise import Noise
from gm_multimodal.objective import every_time
from gm_multimodal.product import Known, Product
from gm_multimodal.training.batches import Batch


@final
class EveryTime:
    """What is practised: nothing is given, and times are spread evenly over [0, 1)."""

    def draw(self, batch: Batch, product: Product, noise: Noise) -> tuple[Known, Mapping[str, Tensor]]:
        """Return the task and the path times: one for each row, in every of B equal intervals one."""
        return Known(batch.state, {}, batch.sites), every_time(product, batch.sites, noise)


def at_time(batch: Batch, product: Product, s: Tensor) -> tuple[Known, Mapping[str, Tensor]]:
    """Return the task of generating all sites, and the path times of sampling times s [B]."""
    present = batch.sites.present
    times = {name: factor.clock(s)[:, None].expand(present.shape) for name, factor in product.items()}
    return Known(batch.state, {}, batch.sites), times
