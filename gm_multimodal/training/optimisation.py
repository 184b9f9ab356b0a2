"""Optimisers and their learning rates: AdamW for everything, or Muon for the matrices in between."""

import math
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

_BETAS = (0.9, 0.99)


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
        """Refuse rates that the optimisers do not take."""
        for name in ("learning_rate", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 on")

    def factor(self, step: int, total: int) -> float:
        """Return the learning rate over its plateau at `step` of `total`."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay = max(1.0, self.decay_share * total)
        done = min(1.0, max(0.0, (step - (total - decay)) / decay))
        return rise * 0.5 * (1 + math.cos(math.pi * done))

    def optimizer(self, network: nn.Module, *, fused: bool) -> Optimizer:
        """Return the optimiser of the weights of a network that learn; `fused` is faster and not for every trainer."""
        return self._adamw([p for p in network.parameters() if p.requires_grad], fused)

    def _adamw(self, weights: list[nn.Parameter], fused: bool) -> AdamW:
        groups: list[dict[str, Any]] = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
        ]
        return AdamW([g for g in groups if g["params"]], lr=self.learning_rate, betas=_BETAS, fused=fused)


@final
@dataclass(frozen=True)
class MuonOptimisation(Optimisation):
    """Muon for matrices from features to features, AdamW for what reads the input, makes the output, or is a vector.

    Muon steps along the orthogonalised momentum (Jordan 2024), scaled so that its root mean square is that of a step of
    AdamW (Liu et al. 2025, arXiv 2502.16982): both take rates of the same kind.

    Attributes:
        matrix_learning_rate: plateau of the matrices.
        momentum: share of the matrices' momentum that a step keeps.
    """

    matrix_learning_rate: float = 5e-3
    momentum: float = 0.95

    def __post_init__(self) -> None:
        """Refuse rates that the optimisers do not take."""
        super().__post_init__()
        if not self.matrix_learning_rate >= 0:
            raise ValueError(f"matrix_learning_rate is {self.matrix_learning_rate}: give a number from 0 on")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}: give a number from 0 to below 1")

    def optimizer(self, network: nn.Module, *, fused: bool) -> Optimizer:
        """Return the optimiser of the weights of a network that learn; `fused` is faster and not for every trainer."""
        matrices = hidden_matrices(network)
        others = [p for p in network.parameters() if p.requires_grad and all(p is not m for m in matrices)]
        if not matrices:
            return self._adamw(others, fused)
        muon = Muon(
            matrices,
            lr=self.matrix_learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            adjust_lr_fn="match_rms_adamw",
        )
        return _Both(muon, self._adamw(others, fused)) if others else muon


def hidden_matrices(network: nn.Module) -> list[Tensor]:
    """Return the weights, if they learn, of linear maps between features.

    These are the maps within the parts of a network, such as its layers. A map that is a part itself embeds the input
    or makes an output, and parts that the network names in `HEADS` do, too.
    """
    heads = set(getattr(network, "HEADS", ()))
    inside = {name: module for name, module in network.named_modules() if "." in name}
    maps = [m for name, m in inside.items() if isinstance(m, nn.Linear) and heads.isdisjoint(name.split("."))]
    return [m.weight for m in maps if m.weight.requires_grad]


@final
class _Both(Optimizer):
    """Two optimisers of different weights that are stepped, scheduled, saved and loaded as one."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Any = None) -> Any:
        """Step both, after one call of the closure."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let the parts have the very groups and state that schedulers change and checkpoints hold."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state
