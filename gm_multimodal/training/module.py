"""The training step: joint generator-matching loss, auxiliary losses, optimiser."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from gm_multimodal.network import Context
from gm_multimodal.noise import Noise, SharedNoise
from gm_multimodal.objective import Matching, matching_loss
from gm_multimodal.product import Factor, Known, Product, State
from gm_multimodal.protein.batch import ProteinBatch, Share
from gm_multimodal.protein.conditions import random_conditions
from gm_multimodal.protein.tasks import on_curve

HELD_OUT_LOSS = "validation/loss"
"""The name under which validation logs the weighted sum of the factors' losses."""

VALIDATION_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)


@final
@dataclass(frozen=True)
class Optimisation:
    """AdamW with a linear warm-up, a constant plateau and a final decay to zero along a cosine.

    Attributes:
        learning_rate: plateau.
        weight_decay: of matrices; vectors are not decayed.
        warmup_steps: length of the warm-up.
        decay_share: share of all steps that the final decay takes.
    """

    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    warmup_steps: int = 200
    decay_share: float = 0.4

    def __post_init__(self) -> None:
        """Refuse rates that AdamW does not take."""
        for name in ("learning_rate", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 on")

    def factor(self, step: int, total: int) -> float:
        """Return the learning rate over its plateau at `step` of `total`."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay = max(1.0, self.decay_share * total)
        done = min(1.0, max(0.0, (step - (total - decay)) / decay))
        return rise * 0.5 * (1 + math.cos(math.pi * done))


class Batch(Protocol):
    """Data points side by side."""

    @property
    def state(self) -> State:
        """Clean points, [B, N, *E] per factor."""
        ...

    @property
    def context(self) -> Context:
        """What stays the same along a simulation."""
        ...


class Curriculum(Protocol):
    """Draws tasks and times."""

    def draw(self, batch: Any, product: Product, noise: Noise, /) -> tuple[Known, Mapping[str, Tensor]]:
        """Return what is given of a batch, with all clean values, and the path times [B, N] of every factor."""
        ...


class Auxiliary(Protocol):
    """Losses beside the one of the theory."""

    def __call__(self, matching: Matching, known: Known, /) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return their weighted sum, and the parts by name."""
        ...


class MatchingModule(lightning.LightningModule):
    """A network under the joint loss: its training step and its optimiser.

    Args:
        network: the network.
        product: the factors.
        curriculum: how tasks and times are drawn.
        auxiliary: losses beside the joint one.
        optimisation: optimiser and schedule.
        self_conditioning: share of steps that feed back a first prediction.
        seed: with the step and the place of a batch within it, determines every draw.
    """

    def __init__(
        self,
        network: nn.Module,
        product: Mapping[str, Factor],
        curriculum: Curriculum,
        auxiliary: Auxiliary,
        optimisation: Optimisation,
        self_conditioning: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.network, self.product = network, product
        self.curriculum, self.auxiliary, self.optimisation = curriculum, auxiliary, optimisation
        self.self_conditioning, self.seed = self_conditioning, seed
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
        matching = self.match(known, times, batch, noise, feeds_back)
        auxiliary, parts = self.auxiliary(matching, known)
        loss = matching.total + auxiliary
        logged = {f"train/{name}": part for name, part in {**matching.parts, **parts, "loss": loss}.items()}
        self.log_dict({name: part.detach() for name, part in logged.items()}, batch_size=len(known.present))
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(known.present))
        return loss

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.optimisation.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        # Lightning clips no gradient of a fused optimiser in mixed precision.
        is_fused = "mixed" not in str(self.trainer.precision)
        optimizer = torch.optim.AdamW(groups, lr=self.optimisation.learning_rate, betas=(0.9, 0.99), fused=is_fused)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: self.optimisation.factor(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def match(
        self, known: Known, times: Mapping[str, Tensor], batch: Batch, noise: SharedNoise, feeds_back: bool
    ) -> Matching:
        """Evaluate the joint loss, the network in the precision of the trainer."""
        kind = self.device.type
        dtype, is_mixed = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)

        def network(
            state: State, times: Mapping[str, Tensor], context: Context, previous: State | None
        ) -> Mapping[str, Tensor]:
            # No cache: in older PyTorch a weight cast by the call without gradient serves the next, and gets none.
            with torch.autocast(kind, dtype, is_mixed, cache_enabled=False):
                output = self.network(state, times, context, previous)
            return {name: x.to(torch.float32) for name, x in output.items()}

        # Mixed precision is for the network alone: points, frames and losses keep theirs.
        with torch.autocast(kind, enabled=False):
            return matching_loss(network, self.product, known, times, batch.context, noise, self_condition=feeds_back)

    def noise(self, step: int, stream: int) -> SharedNoise:
        """Return the draws of one step and stream: resuming repeats nothing and skips nothing."""
        return SharedNoise.keyed(self.seed, step, stream, device=self.device)


@final
class DesignModule(MatchingModule):
    """A network over residues, validated on chains."""

    def training_step(self, batch: Any, number: int) -> Tensor:
        """Return the loss of one batch, the network being told a random part of what it takes as conditions."""
        assert isinstance(batch, ProteinBatch)
        # A stream of its own: the draws of the losses are the same whatever the network takes.
        noise = self.noise(self.global_step, -3 - self.share.place(number % self.share.accumulated))
        taken = {
            name: states
            for name, states in random_conditions(batch, noise).items()
            if name in getattr(self.network, "conditions", ())
        }
        context = dataclasses.replace(batch.context, conditions=taken)
        return super().training_step(dataclasses.replace(batch, context=context), number)

    def validation_step(self, batch: ProteinBatch, number: int) -> None:
        """Log the loss of every factor on the sampling curve, and of inverse folding, with the same draws each time."""
        rows, number = len(batch.context.present), self.share.place(number)
        parts: dict[str, list[Tensor]] = {}
        for k, s in enumerate(VALIDATION_TIMES):
            noise = self.noise(number, k)
            known, times = on_curve(batch, self.product, torch.full((rows,), s, device=self.device))
            matching = self.match(known, times, batch, noise, feeds_back=True)
            for name, part in matching.parts.items():
                parts.setdefault(name, []).append(part)
        start = torch.zeros(rows, device=self.device)
        known, times = on_curve(batch, self.product, start, given=("translations", "rotations"))
        inverse = self.match(known, times, batch, self.noise(number, -2), feeds_back=False)
        means = {name: torch.stack(values).mean() for name, values in parts.items()}
        losses = {f"validation/{name}": mean for name, mean in means.items()}
        losses["validation/inverse_folding"] = inverse.parts["sequence"]
        losses[HELD_OUT_LOSS] = torch.stack([self.product[name].weight * mean for name, mean in means.items()]).sum()
        self.log_dict(losses, batch_size=rows, sync_dist=True)
