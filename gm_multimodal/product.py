"""Products: named factors, each with its own process, parameterization and clock, and what is given of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, expect, listed
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Parameterization, PathParameterization
from gm_multimodal.processes.base import Process
from gm_multimodal.schedules import Linear, Schedule, expect_schedule
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.base import expand_as
from gm_multimodal.spaces.euclidean import Euclidean

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
        """Refuse parts that do not fit each other.

        Raises:
            IncompatibleProcess: the process cannot follow what the parameterization predicts, or they speak of
                different spaces or paths; naming both.
            ValueError: a weight that is negative or not a number.
        """
        expect(self, "process", self.process, Process)
        expect(self, "parameterization", self.parameterization, Parameterization)
        expect_schedule(self, "clock", self.clock)
        moves, reads = type(self.process).__name__, type(self.parameterization).__name__
        wanted, got = self.process.follows, self.parameterization.predicts
        if not issubclass(got, wanted):
            raise IncompatibleProcess(f"{moves} follows {wanted.__name__}, but {reads} gives {got.__name__}.")
        path = self.process.path
        if path.space != self.parameterization.space:
            raise IncompatibleProcess(
                f"{moves} moves points of {path.space}, but {reads} speaks of points of {self.parameterization.space}: "
                "give both one space."
            )
        if isinstance(self.parameterization, PathParameterization) and path != self.parameterization.path:
            raise IncompatibleProcess(
                f"{moves} keeps {path}, but {reads} speaks of the motion along {self.parameterization.path}: give both "
                "one path."
            )
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"Factor: weight is {self.weight}; give 0 or a positive number.")
        if self.centred and not isinstance(path.space, Euclidean):
            raise IncompatibleProcess(
                f"Factor: centred is True, but points of {path.space} have no mean; leave it out."
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


def factor_of(product: Product, name: str) -> Factor:
    """Return a factor by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in product:
        raise ValueError(f"there is no factor {name}: the factors are {listed(product)}.")
    return product[name]


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
        absent: in training, True = the data say nothing of this site, bool [B, N] per factor; there are data of all
            sites of a factor that is left out. A site without data is not given, whatever the mask says, its noised
            point is a draw of the prior, and it has no loss; the value there may be any point.
    """

    values: State
    mask: Mapping[str, Tensor]
    sites: Sites
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    absent: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what does not say of which sites something is known."""
        expect(self, "sites", self.sites, Sites)

    def free(self, name: str) -> Tensor:
        """Return which sites of a factor are generated, bool [B, N]."""
        if name not in self.mask:
            return self.sites.present
        given = self.mask[name] & ~self.absent[name] if name in self.absent else self.mask[name]
        return ~given & self.sites.present

    def fitted(self, name: str) -> Tensor:
        """Return which sites of a factor have a loss, bool [B, N]: those generated of which there are data."""
        return self.free(name) & ~self.absent[name] if name in self.absent else self.free(name)

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
