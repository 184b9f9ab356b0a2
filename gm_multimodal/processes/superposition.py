"""Processes made of processes: superposition, and predictor with corrector (arXiv 2410.20587, proposition 3)."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.generators import Generator, Sum
from gm_multimodal.noise import Noise
from gm_multimodal.paths.base import ConditionalPath, DensePath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.processes.jump import canonical_jump, couple
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Superposition(ConditionalProcess):
    """sum_i a_i L^i with a_i >= 0 and sum_i a_i = 1, of processes that keep one path.

    A step chooses one process for every point, with probabilities a_i, and makes its transition: exact if theirs are,
    and for small steps the superposition of the generators.

    Attributes:
        processes: two or more, on the same path.
        weights: a_i, one for each process.
    """

    processes: tuple[ConditionalProcess, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse weights that the theorem does not allow, and processes of different paths.

        Raises:
            ValueError: naming the weights.
            IncompatibleProcess: naming the two processes and their paths.
        """
        # A configuration gives lists; values must be hashable and equal to be compared.
        object.__setattr__(self, "processes", tuple(self.processes))
        object.__setattr__(self, "weights", tuple(self.weights))
        is_convex = all(w >= 0 for w in self.weights) and math.isclose(sum(self.weights), 1, abs_tol=1e-9)
        if len(self.weights) != len(self.processes) or not is_convex:
            raise ValueError(
                f"Superposition: weights {list(self.weights)} of {len(self.processes)} processes; give one for each, "
                "none negative, with sum 1 (arXiv 2410.20587, proposition 3)."
            )
        first = self.processes[0]
        for other in self.processes[1:]:
            if other.path != first.path:
                raise IncompatibleProcess(
                    f"{type(first).__name__} keeps {first.path} and {type(other).__name__} keeps {other.path}: "
                    "only processes of one path can be superposed."
                )

    @property
    def path(self) -> ConditionalPath:
        """The path that all processes keep."""
        return self.processes[0].path

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Sum:
        """Return the weighted sum of the generators."""
        parts: list[Generator] = []
        for process, weight in zip(self.processes, self.weights, strict=True):
            parts.append(process.target(x, t, z).scaled(weight))
        return Sum(tuple(parts))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Choose a process for every point and make its transition, [*B, *E]."""
        u = noise.uniform(t.shape).to(t)
        moved, reached = x, 0.0
        for process, weight in zip(self.processes, self.weights, strict=True):
            is_chosen = (u >= reached) & (u < reached + weight)
            moved = torch.where(expand_as(is_chosen, x), process.conditional(x, t, t_next, z, noise), moved)
            reached += weight
        return moved


@final
@dataclass(frozen=True)
class PredictorCorrector(ConditionalProcess):
    """(1 + b) L + b L^back: go beyond t' and come back, L^back the jump that solves the equation backwards in time.

    A step of size h makes a transition of size (1 + b) h and the canonical jump back to t': exact given z. Where the
    predictor would reach t = 1 the step is the process itself, for nothing comes back from a point mass.

    Attributes:
        process: the predictor; its path must have a density.
        strength: b >= 0.
    """

    process: ConditionalProcess
    strength: float

    def __post_init__(self) -> None:
        """Refuse a negative strength, and a path without density."""
        if not self.strength >= 0:
            raise ValueError(f"PredictorCorrector: strength is {self.strength}; give 0 or a positive number.")
        if not isinstance(self.process.path, DensePath):
            name = type(self.process.path).__name__
            raise IncompatibleProcess(f"PredictorCorrector needs a path with a density to come back; {name} has none.")

    @property
    def path(self) -> ConditionalPath:
        """The path of the predictor."""
        return self.process.path

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Sum:
        """Return (1 + b) L + b L^back."""
        forwards = self.process.target(x, t, z).scaled(1 + self.strength)
        return Sum((forwards, canonical_jump(self._dense, x, t, z, backwards=True).scaled(self.strength)))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Predict to t' + b h and come back to t', [*B, *E]."""
        beyond = t_next + self.strength * (t_next - t)
        beyond = torch.where(beyond < 1, beyond, t_next)
        y = self.process.conditional(x, t, beyond, z, noise)
        before_end = t_next.clamp(max=1 - torch.finfo(t_next.dtype).eps)
        back = couple(self._dense, y, torch.maximum(beyond, before_end), before_end, z, noise)
        return torch.where(expand_as(beyond > t_next, x), back, y)

    @property
    def _dense(self) -> DensePath:
        assert isinstance(self.path, DensePath)
        return self.path
