"""Plain Euler steps of any conditional process."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.generators import Generator
from gm_multimodal.noise import Noise
from gm_multimodal.paths.base import ConditionalPath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Euler(ConditionalProcess):
    """Steps of the conditional generator, of weak order one (arXiv 2410.20587, algorithm 2): what exact steps replace.

    Attributes:
        process: whose generator is stepped.
    """

    process: ConditionalProcess

    def __post_init__(self) -> None:
        """Refuse a process that is not known given z."""
        expect(self, "process", self.process, ConditionalProcess)

    @property
    def path(self) -> ConditionalPath:
        """The path of the process."""
        return self.process.path

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> Generator:
        """Return the generator of the process."""
        return self.process.target(x, t, z)

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Make one step of size t_next - t, [*B, *E]."""
        moved = self.target(x, t, z).step(x, t_next - t, self.path.space, noise)
        return torch.where(expand_as(t_next > t, x), moved, x)
