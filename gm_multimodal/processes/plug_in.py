"""A point estimate in the place of the posterior: a heuristic, for comparison."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from gm_multimodal.errors import expect
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.paths.base import ConditionalPath, DensePath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.processes.jump import Jump


@final
@dataclass(frozen=True)
class PlugIn:
    """Move as if the mean of the posterior were certain: how the Generator Matching protein code jumps.

    Rates are not linear in z, so that this does not generate the marginal path: the rate at the mean is not the mean of
    the rates (arXiv 2410.20587, section 7, takes the network's endpoint for z).

    Attributes:
        process: what moves given z.
    """

    process: ConditionalProcess

    def __post_init__(self) -> None:
        """Refuse a process that is not known given z."""
        expect(self, "process", self.process, ConditionalProcess)

    @property
    def path(self) -> ConditionalPath:
        """The path of the process."""
        return self.process.path

    @property
    def follows(self) -> type:
        """Any prediction: each has a mean."""
        return Prediction

    def transition(self, x: Tensor, t: Tensor, t_next: Tensor, prediction: Prediction, noise: Noise) -> Tensor:
        """Make the conditional transition towards the mean, [*B, *E]."""
        return self.process.conditional(x, t, t_next, prediction.mean(), noise)


def plug_in_jump(path: DensePath) -> PlugIn:
    """Return the canonical jump towards the mean."""
    return PlugIn(Jump(path))
