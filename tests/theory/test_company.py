"""A design does not depend on its company: every process makes equal draws whatever the batch, and moves it to the bit.

Small steps are those that tell: in most of them no point jumps, and what draws only for those that do would shift the
stream of a design by what happens to the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import DesignNoise, Noise
from gm_multimodal.parameterizations.base import Parameterization
from gm_multimodal.paths.base import DensePath
from gm_multimodal.processes.base import ConditionalProcess, Process
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition
from tests.theory.cases import CASES, generic

pytestmark = pytest.mark.theory

SITES = 7
STEPS = ((0.0, 0.01), (0.3, 0.32), (0.9, 0.93))
WATCHED = 1
ALONE = ((-1, WATCHED, -2), (SITES, 0, SITES))
COMPANIES = (((5, WATCHED, 2), (0, 0, 0)), ((WATCHED, 8, 4), (0, 5, SITES)))
"""Designs of a block, and how many sites of each are padded."""


@dataclass(frozen=True)
class Watched:
    """Noise that notes what was drawn of it."""

    noise: Noise
    drawn: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return self.noise.device

    def normal(self, shape) -> Tensor:
        self.drawn.append(("normal", tuple(shape)))
        return self.noise.normal(shape)

    def uniform(self, shape) -> Tensor:
        self.drawn.append(("uniform", tuple(shape)))
        return self.noise.uniform(shape)


def processes() -> Iterator[tuple[str, Process, Parameterization]]:
    """Every case, and each with a jump before it in a superposition: the jump must not shift what it draws."""
    for case in CASES:
        yield str(case), case.process, case.reads
        if isinstance(case.path, DensePath) and isinstance(case.process, ConditionalProcess):
            try:
                both = Superposition((Jump(case.path), case.process), (0.5, 0.5))
            except IncompatibleProcess:
                continue
            if issubclass(case.reads.predicts, both.follows):
                yield f"a jump and {case}", both, case.reads


def step(process, reads, designs, padded, times: tuple[float, float]):
    """One step of a block towards the data of each design by a prediction of its own, and what was drawn."""
    space, source = process.path.space, DesignNoise(0, designs)
    t, t_next = (torch.full((len(designs), SITES), time) for time in times)
    for row, count in enumerate(padded):
        t[row, SITES - count :] = t_next[row, SITES - count :] = 1
    z = torch.stack([generic(space, SITES, 100 + design) for design in designs])
    z = z.float() if z.is_floating_point() else z
    x = process.path.sample(space.prior(t.shape, source.at(-1, "x")), z, t, source.at(-1, "path"))
    output = source.at(-1, "output").normal((*t.shape, *reads.output_shape))
    noise = Watched(source.at(0, "x"))
    return process.transition(x, t, t_next, reads(output, x, t), noise), noise.drawn


@pytest.mark.parametrize(
    ("process", "reads"), [pytest.param(process, reads, id=name) for name, process, reads in processes()]
)
def test_a_design_is_the_same_in_any_company(process, reads):
    """Bytes and draws, in blocks of three: alone with padding, beside others, and in another place of the block."""
    for times in STEPS:
        alone, drawn = step(process, reads, *ALONE, times)
        for designs, padded in COMPANIES:
            moved, also_drawn = step(process, reads, designs, padded, times)
            row = designs.index(WATCHED)
            assert moved[row].numpy().tobytes() == alone[1].numpy().tobytes()
            assert also_drawn == drawn
