"""Products: named factors, each with its own process, parameterization and clock, and what is given of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Parameterization
from gm_multimodal.processes.base import Process
from gm_multimodal.schedules import Linear, Schedule
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.base import expand_as

State = Mapping[str, Tensor]
"""Factor name -> points [B, N, *E]; never changed in place."""


@final
@dataclass(frozen=True)
class Factor:
    """One factor of the product space, over an axis N of sites.

    Attributes:
        process: how the sites move.
        parameterization: how the network's output is read.
        clock: path time as a function of sampling time; the same, if left out.
        weight: factor of this loss in the sum.
        centred: True if the joint law of a wholly generated row lives in the subspace of zero mean over the sites.
    """

    process: Process
    parameterization: Parameterization
    clock: Schedule = field(default_factory=Linear)
    weight: float = 1.0
    centred: bool = False

    def __post_init__(self) -> None:
        """Refuse a process that cannot follow what the parameterization predicts.

        Raises:
            IncompatibleProcess: naming both.
        """
        wanted, got = self.process.follows, self.parameterization.predicts
        if not issubclass(got, wanted):
            raise IncompatibleProcess(
                f"{type(self.process).__name__} follows a {wanted.__name__}, "
                f"but {type(self.parameterization).__name__} gives a {got.__name__}."
            )

    def prior(self, known: "Known", name: str, noise: Noise) -> Tensor:
        """Draw x_0 for every site, [B, N, *E]; projected to zero mean in rows where the factor is wholly generated."""
        return self.project(self.process.path.space.prior(tuple(known.sites.present.shape), noise), known, name)

    def project(self, x: Tensor, known: "Known", name: str) -> Tensor:
        """Take the mean over the sites away where the law has none: a centred factor, in wholly generated rows."""
        if not self.centred:
            return x
        free, present = known.free(name), known.sites.present
        mean = (x * present[..., None]).sum(-2, keepdim=True) / present.sum(-1)[:, None, None].clamp(min=1)
        is_whole = (free == present).all(-1)[:, None, None]
        return torch.where(is_whole, x - mean, x)


Product = Mapping[str, Factor]
"""Factor name -> Factor."""


@final
@dataclass(frozen=True)
class Drawn:
    """Noised points of one factor that were drawn beforehand, and what is known of the clean ones behind them.

    Attributes:
        sites: where x_t was drawn, bool [B, N]; elsewhere the path draws it.
        points: x_t, [B, N, *E], read at these sites.
        law: law of z given x_t, or a point mass where the path draws, [B, N, K] for a factor of K states.
    """

    sites: Tensor
    points: Tensor
    law: Tensor


@final
@dataclass(frozen=True)
class Known:
    """What is given: values and a mask per factor. Folding, inverse folding and motifs are nothing else.

    A given site has time 1, its clean value, no loss and no step; sites that are not present (padding) count as given.

    Attributes:
        values: clean points, [B, N, *E] per factor; read where the mask is True, and everywhere by training and by
            simulations that begin with noised data. A factor of which nothing is read may be left out.
        mask: True = given, [B, N] per factor; of a factor that is left out nothing is given.
        sites: which sites are present, and what is known of them beside the state.
        drawn: in training, factors whose noised points were partly drawn beforehand.
    """

    values: State
    mask: Mapping[str, Tensor]
    sites: Sites
    drawn: Mapping[str, Drawn] = field(default_factory=dict)

    def free(self, name: str) -> Tensor:
        """Tell which sites of a factor are generated, bool [B, N]."""
        return ~self.mask[name] & self.sites.present if name in self.mask else self.sites.present

    def overwrite(self, state: State) -> State:
        """Return the state with the given values in place."""
        return {
            name: torch.where(expand_as(self.free(name), x), x, self.values[name].to(x)) if name in self.values else x
            for name, x in state.items()
        }

    def target(self, name: str) -> Tensor:
        """Return what a prediction of a factor is fitted to: clean points, or their law where some are not known."""
        return self.drawn[name].law if name in self.drawn else self.values[name]

    def times(self, times: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the path times [B, N] with 1 wherever a site is given."""
        return {name: torch.where(self.free(name), t, torch.ones_like(t)) for name, t in times.items()}
