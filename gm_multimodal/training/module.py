"""The training step: joint generator-matching loss, auxiliary losses, optimiser."""

from collections.abc import Mapping
from typing import Any, Protocol, final

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from gm_multimodal.network import named
from gm_multimodal.noise import Noise, SharedNoise
from gm_multimodal.objective import Matching, matching_loss
from gm_multimodal.product import Factor, Known, Product, State
from gm_multimodal.sites import Sites
from gm_multimodal.training.batches import Batch, Share
from gm_multimodal.training.every_time import EveryTime, at_time
from gm_multimodal.training.optimisation import Optimisation

HELD_OUT_LOSS = "validation/loss"
"""The name under which validation logs the weighted sum of the factors' losses."""

VALIDATION_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)

LARGEST_GRADIENT = 4.0
"""Largest norm of the gradient of each auxiliary loss with respect to the outputs, over that of the joint loss.

The gradients of the joint loss at different sites add up less: with respect to the weights this is 1 to 2.
"""


class TaskSampler(Protocol):
    """Draws tasks and times."""

    def draw(self, batch: Any, product: Product, noise: Noise, /) -> tuple[Known, Mapping[str, Tensor]]:
        """Return what is given of a batch, with all clean values, and the path times [B, N] of every factor."""
        ...


class Auxiliary(Protocol):
    """Losses beside the one of the theory."""

    def share(self, progress: float, /) -> float:
        """Return how far they are switched on when that share of the training is done, from 0 to 1."""
        ...

    @property
    def weights(self) -> Mapping[str, float]:
        """Their weights by name."""
        ...

    def __call__(self, matching: Matching, known: Known, /) -> Mapping[str, Tensor]:
        """Return them by name, unweighted."""
        ...


class MatchingModule(lightning.LightningModule):
    """A network under the joint loss: its training step, its optimiser, and its losses on held-out data.

    It trains any modality: one whose tasks are of its own hands in a curriculum, and one that wants to see more of its
    held-out data overrides the validation.

    Args:
        network: the network.
        product: the factors.
        optimisation: optimiser and schedule.
        seed: with the step and the place of a batch within it, determines every draw.
        curriculum: how tasks and times are drawn; if left out, nothing is given and every time is practised.
        auxiliary: losses beside the joint one, if there are any.
        self_conditioning: share of steps that feed back a first prediction.
    """

    def __init__(
        self,
        network: nn.Module,
        product: Mapping[str, Factor],
        optimisation: Optimisation,
        seed: int,
        *,
        curriculum: TaskSampler | None = None,
        auxiliary: Auxiliary | None = None,
        self_conditioning: float = 0.0,
    ) -> None:
        super().__init__()
        self.network, self.product, self.optimisation, self.seed = network, product, optimisation, seed
        self.curriculum, self.auxiliary = curriculum or EveryTime(), auxiliary
        self.self_conditioning = self_conditioning
        self.share = Share()

    def setup(self, stage: str) -> None:
        """Ask the trainer how the batches of a step are shared out."""
        trainer = self.trainer
        self.share = Share(trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches)

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of one batch; the trainer averages over the batches of a step, wherever they are computed."""
        noise = self.noise(self.global_step, self.share.place(number % self.share.accumulated))
        known, times = self.curriculum.draw(batch, self.product, noise)
        # The same for all batches of a step, so that ranks do not wait for the one with two calls.
        feeds_back = float(self.noise(self.global_step, -1).uniform((1,))) < self.self_conditioning
        matching = self.match(known, times, noise, feeds_back)
        loss, parts = self._with_auxiliary(matching, known)
        logged = {f"train/{name}": part for name, part in {**matching.parts, **parts, "loss": loss}.items()}
        self.log_dict({name: part.detach() for name, part in logged.items()}, batch_size=len(known.sites.present))
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(known.sites.present))
        return loss

    def validation_step(self, batch: Batch, number: int) -> None:
        """Log the loss of every factor on a fixed grid of times, with the same draws each time."""
        rows, number = len(batch.sites.present), self.share.place(number)
        evaluated = Means()
        for k, s in enumerate(VALIDATION_TIMES):
            known, times = at_time(batch, self.product, torch.full((rows,), s, device=self.device))
            noise = self.noise(number, k)
            evaluated.add(self.match(known, times, noise, feeds_back=self.self_conditioning > 0).parts)
        means = evaluated.values()
        total = torch.stack([self.product[name].weight * mean for name, mean in means.items()]).sum()
        losses = {**{f"validation/{name}": mean for name, mean in means.items()}, HELD_OUT_LOSS: total}
        self.log_dict(losses, batch_size=rows, sync_dist=True)

    @property
    def progress(self) -> float:
        """Share of the steps of the training that are done."""
        return self.global_step / self.trainer.max_steps if self._trainer else 1.0

    def _with_auxiliary(self, matching: Matching, known: Known) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the joint loss with the auxiliary ones, and their parts for the log; nothing is computed while off."""
        if self.auxiliary is None or self.auxiliary.share(self.progress) == 0:
            return matching.total, {}
        parts, weights = self.auxiliary(matching, known), self.auxiliary.weights
        weighted = {name: weights[name] * part for name, part in parts.items() if weights[name] > 0}
        caps = gradient_ratios(matching.total, weighted, matching.outputs)
        on = self.auxiliary.share(self.progress)
        shares = {name: on * (LARGEST_GRADIENT * caps[name]).clamp(max=1) for name in weighted}
        loss = torch.stack([matching.total, *(shares[name] * part for name, part in weighted.items())]).sum()
        return loss, {**parts, **{f"share_{name}": share for name, share in shares.items()}}

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule."""
        # Lightning clips no gradient of a fused optimiser in mixed precision.
        is_fused = "mixed" not in str(self.trainer.precision)
        optimizer = self.optimisation.optimizer(self.network, fused=is_fused)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: self.optimisation.factor(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def match(self, known: Known, times: Mapping[str, Tensor], noise: SharedNoise, feeds_back: bool) -> Matching:
        """Evaluate the joint loss, the network in the precision of the trainer."""
        kind = self.device.type
        dtype, is_mixed = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)

        def network(
            state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
        ) -> Mapping[str, Tensor]:
            # No cache: in older PyTorch a weight cast by the call without gradient serves the next, and gets none.
            with torch.autocast(kind, dtype, is_mixed, cache_enabled=False):
                output = self.network(state, times, sites, previous)
            return {name: x.to(torch.float32) for name, x in named(output).items()}

        # Mixed precision is for the network alone: points, frames and losses keep theirs.
        with torch.autocast(kind, enabled=False):
            return matching_loss(network, self.product, known, times, noise, self_condition=feeds_back)

    def noise(self, step: int, stream: int) -> SharedNoise:
        """Return the draws of one step and stream: resuming repeats nothing and skips nothing."""
        return SharedNoise.keyed(self.seed, step, stream, device=self.device)


def gradient_ratios(main: Tensor, others: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |grad main| / |grad other| with respect to those outputs of a network that each other loss depends on.

    The outputs stand for the weights: gradients with respect to them cost no pass through the network.
    """
    nodes = list(outputs.values())
    mains = torch.autograd.grad(main, nodes, retain_graph=True, materialize_grads=True)
    ratios = {}
    for name, other in others.items():
        found = torch.autograd.grad(other, nodes, retain_graph=True, allow_unused=True)
        pairs = [(x.flatten(), y.flatten()) for x, y in zip(mains, found, strict=True) if y is not None]
        main_norm, norm = (torch.cat(parts).norm() for parts in zip(*pairs, strict=True))
        ratios[name] = main_norm / norm.clamp(min=1e-6)
    return ratios


@final
class Means:
    """Means of named losses over several evaluations."""

    def __init__(self) -> None:
        self._all: dict[str, list[Tensor]] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add one evaluation."""
        for name, loss in losses.items():
            self._all.setdefault(name, []).append(loss)

    def values(self) -> dict[str, Tensor]:
        """Return the means by name."""
        return {name: torch.stack(losses).mean() for name, losses in self._all.items()}
