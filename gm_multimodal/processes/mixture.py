"""The jump and the diffusion of mixture paths."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect
from gm_multimodal.generators import DensityJump, Diffusion
from gm_multimodal.noise import Noise
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.interval import Interval


@final
@dataclass(frozen=True)
class MixtureJump(ConditionalProcess):
    """Q(dy; x | z) = k' / (1 - k) delta_z(dy): become z at the rate of the mixture, on any space (2410.20587, sec. 4).

    A step of any size is exact: whatever is not yet z becomes z with probability (k_{t'} - k_t) / (1 - k_t).

    Attributes:
        path: the mixture path.
    """

    path: MixturePath

    def __post_init__(self) -> None:
        """Refuse another path."""
        expect(self, "path", self.path, MixturePath)

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> DensityJump:
        """Return the jump to z."""
        return DensityJump(self.path.rate(t), lambda noise: z)

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Become z or stay, [*B, *E]."""
        jumps = (noise.uniform(t.shape).to(t) < self.path.share(t, t_next)) & (t_next > t)
        return torch.where(expand_as(jumps, x), z, x)


@final
@dataclass(frozen=True)
class MixtureDiffusion(ConditionalProcess):
    """Diffusion without drift from the uniform law of an interval to z, reflected at both ends (2410.20587, eq. 34).

    With L the length and (k', k) of the path, variance 2 k' L / (1 - k) * [(z - a)^2 / (2 L) + [x - z]_+ - (x - a)^2 /
    (2 L)]: zero at z, where what has arrived rests. A step is a number of Euler steps, each reflected.

    Attributes:
        path: the mixture path on an interval.
        substeps: Euler steps in a transition.
    """

    path: MixturePath
    substeps: int = 1

    def __post_init__(self) -> None:
        """Refuse other spaces and a number of steps below one."""
        expect(self, "path", self.path, MixturePath)
        if not isinstance(self.path.space, Interval):
            raise IncompatibleProcess(f"MixtureDiffusion runs on an Interval, not on {type(self.path.space).__name__}.")
        if self.substeps < 1:
            raise ValueError(f"MixtureDiffusion: substeps is {self.substeps}; give 1 or more.")

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Diffusion:
        """Return the diffusion."""
        assert isinstance(self.path.space, Interval)
        a, length = self.path.space.lower, self.path.space.upper - self.path.space.lower
        bracket = ((z - a).square() - (x - a).square()) / (2 * length) + (x - z).clamp(min=0)
        return Diffusion(2 * length * expand_as(self.path.rate(t), x) * bracket.clamp(min=0))

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Make the Euler steps, [*B, 1]; the last one ends at z where t_next = 1."""
        h = (t_next - t) / self.substeps
        y = x
        for k in range(self.substeps):
            y = self.target(y, t + k * h, z).step(y, h, self.path.space, noise)
        return torch.where(expand_as(t_next > t, x), torch.where(expand_as(t_next >= 1, x), z, y), x)
