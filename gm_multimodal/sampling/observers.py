"""Observers of a simulation: they take notes and change nothing."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from gm_multimodal.product import State
from gm_multimodal.sampling.sampler import Step


@final
class ChosenProbability:
    """Notes the model's probability, at temperature 1, of the state that each site chose when it was last unmasked.

    Args:
        name: a factor on a finite set with a mask.
        mask: its mask state.
    """

    def __init__(self, name: str, mask: int) -> None:
        self.name, self.mask = name, mask
        self._value: Tensor | None = None
        self._chosen: Tensor | None = None

    def __call__(self, step: Step) -> None:
        """Take note of the sites that left the mask in this step."""
        before, after = step.state[self.name], step.next_state[self.name]
        probabilities = step.predictions[self.name].mean()
        chosen = probabilities.gather(-1, after.clamp(max=probabilities.shape[-1] - 1)[..., None]).squeeze(-1)
        if self._value is None or self._chosen is None:
            self._value, self._chosen = torch.ones_like(chosen), torch.zeros_like(before, dtype=torch.bool)
        unmasked = (before == self.mask) & (after != self.mask)
        self._value, self._chosen = torch.where(unmasked, chosen, self._value), self._chosen | unmasked

    def value(self) -> Tensor:
        """Return the probabilities, [B, N]; 1 at sites that were never masked."""
        assert self._value is not None, "no step was observed"
        return self._value

    def chosen(self) -> Tensor:
        """Return which sites were unmasked by the simulation at all, bool [B, N]."""
        assert self._chosen is not None, "no step was observed"
        return self._chosen


@final
class StateRecorder:
    """Keeps every state on the CPU, the prior's draw first."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def __call__(self, step: Step) -> None:
        """Keep the state after the step, and at the first step the one before it."""
        for state in [step.state, step.next_state] if not self.states else [step.next_state]:
            self.states.append({name: x.cpu() for name, x in state.items()})


@final
class StepCallback:
    """Calls a function after every step: progress bars.

    Args:
        function: called without arguments.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function

    def __call__(self, step: Step) -> None:
        """Call the function."""
        self.function()
