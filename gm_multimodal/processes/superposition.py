"""Processes made of processes: superposition, and predictor with corrector (arXiv 2410.20587, proposition 3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect
from gm_multimodal.generators import Generator, Sum
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import ManifoldPosterior, Prediction
from gm_multimodal.paths.base import ConditionalPath, DensePath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.isotropic import IsotropicPath
from gm_multimodal.processes.base import ConditionalProcess, Process
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump, canonical_jump, couple
from gm_multimodal.spaces.base import expand_as

Weight = float | tuple[float, float]
"""A number, or the values at t = 0 and t = 1 of a weight that is linear in t."""


@final
@dataclass(frozen=True)
class Superposition(ConditionalProcess):
    """sum_i a_i(t) L^i with a_i >= 0 and sum_i a_i = 1, of processes that keep one path.

    A step chooses one process for every point, with probabilities a_i at its beginning, and makes its transition: exact
    if theirs are, and for small steps the superposition of the generators.

    Attributes:
        processes: two or more, on the same path.
        weights: a_i, one for each process.
    """

    processes: tuple[ConditionalProcess, ...]
    weights: tuple[Weight, ...]

    def __post_init__(self) -> None:
        """Refuse weights that the theorem does not allow, and processes of different paths.

        Raises:
            ValueError: naming the weights.
            IncompatibleProcess: naming the two processes and their paths.
        """
        # A configuration gives lists; values must be hashable and equal to be compared.
        object.__setattr__(self, "processes", tuple(self.processes))
        object.__setattr__(self, "weights", tuple(tuple(w) if isinstance(w, list) else w for w in self.weights))
        # Linear functions that are convex weights at both ends are so in between.
        is_convex = all(
            all(w >= 0 for w in end) and math.isclose(sum(end), 1, abs_tol=1e-9)
            for end in zip(*map(_ends, self.weights), strict=True)
        )
        if not self.processes or len(self.weights) != len(self.processes) or not is_convex:
            raise ValueError(
                f"Superposition: weights {list(self.weights)} of {len(self.processes)} processes; give one for each, "
                "none negative, with sum 1 at all times (arXiv 2410.20587, proposition 3)."
            )
        for process in self.processes:
            _expect_conditional(self, process)
        first = self.processes[0]
        for other in self.processes[1:]:
            if other.path != first.path:
                raise IncompatibleProcess(
                    f"{type(first).__name__} keeps {first.path} and {type(other).__name__} keeps {other.path}: "
                    "only processes of one path can be superposed."
                )
        _ = self.follows

    @property
    def path(self) -> ConditionalPath:
        """The path that all processes keep."""
        return self.processes[0].path

    @property
    def follows(self) -> type:
        """What all processes can follow.

        Raises:
            IncompatibleProcess: there is nothing that all can.
        """
        wanted = [process.follows for process in self.processes]
        for kind in (*wanted, ManifoldPosterior):
            if all(issubclass(kind, other) for other in wanted):
                return kind
        names = " and ".join(f"{type(p).__name__} follows {p.follows.__name__}" for p in self.processes)
        raise IncompatibleProcess(f"{names}: no one prediction drives both, and they cannot be superposed.")

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Sum:
        """Return the weighted sum of the generators."""
        parts: list[Generator] = []
        for process, weight in zip(self.processes, self._weights(t), strict=True):
            parts.append(process.target(x, t, z).scaled(weight))
        return Sum(tuple(parts))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Choose a process for every point and make its conditional transition, [*B, *E]."""
        return self._choose(x, t, lambda process: process.conditional(x, t, t_next, z, noise), noise)

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Choose a process for every point; its transition reads the prediction in its own way, [*B, *E]."""
        return self._choose(x, t, lambda process: process.transition(x, t, t_next, prediction, noise), noise)

    def _choose(self, x: Tensor, t: Tensor, move: Callable[[ConditionalProcess], Tensor], noise: Noise) -> Tensor:
        u = noise.uniform(t.shape).to(t)
        weights = self._weights(t)
        # Up to which number a process is chosen; the last takes what rounding leaves of the sum.
        until = torch.stack([*weights[:-1], torch.full_like(t, torch.inf)]).cumsum(0)
        chosen = (u >= until).sum(0)
        moved = x
        for number, process in enumerate(self.processes):
            moved = torch.where(expand_as(chosen == number, x), move(process), moved)
        return moved

    def _weights(self, t: Tensor) -> list[Tensor]:
        """Return a_i(t), [*B] each."""
        ends = map(_ends, self.weights)
        return [first + (last - first) * t for first, last in ends]


def _expect_conditional(owner: Superposition, process: object) -> None:
    """Refuse what is not a process given z, saying what to take instead of one that follows a prediction alone."""
    if isinstance(process, Process) and not isinstance(process, ConditionalProcess | type):
        raise IncompatibleProcess(
            f"Superposition takes processes that are known given z; {type(process).__name__} is not, for it follows "
            f"{process.follows.__name__} alone. FlowWithRates superposes a flow and predicted jumps; beside other "
            "processes, Jump follows a posterior."
        )
    expect(owner, "processes", process, ConditionalProcess)


def _ends(weight: Weight) -> tuple[float, float]:
    """Return the values at t = 0 and t = 1."""
    first, last = weight if isinstance(weight, tuple) else (weight, weight)
    return first, last


def flow_and_jump(
    path: GaussianPath | IsotropicPath,
    jump_weight: Weight,
    speed: float = 1.0,
    marginal: Literal["mean", "sample"] = "mean",
) -> Superposition:
    """Superpose the flow and the canonical jump of a path: one posterior drives both.

    Args:
        path: their path.
        jump_weight: weight of the jump in [0, 1]; or a pair, the weights at t = 0 and t = 1.
        speed: of the flow; above 1 a heuristic (see `Flow`).
        marginal: of the flow (see `Flow`). "sample" makes every step exact for a joint posterior, "mean" is of first
            order in the step and has less noise.

    Raises:
        ValueError: if the weight leaves [0, 1].
    """
    at_start, at_end = _ends(tuple(jump_weight) if isinstance(jump_weight, list) else jump_weight)
    flow = 1 - at_start, 1 - at_end
    return Superposition((Flow(path, speed, marginal), Jump(path)), (flow, (at_start, at_end)))


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
        """Refuse what is not known given z, a negative strength, and a path without density."""
        expect(self, "process", self.process, ConditionalProcess)
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
