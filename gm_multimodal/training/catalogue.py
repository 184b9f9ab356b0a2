"""What a configuration may name: every class that is built from one, with the bounds of its sizes.

A configuration may come out of a file, and files are data: a name is looked up here and never imported. The key of an
entry is what files say, now and in earlier versions; the place is where the class stands today. A place is imported
when its class is built, so that nothing heavy is loaded for a name. `GENERAL` has what all modalities share; each has a
catalogue of its own, which adds what only its configurations name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

TARGET: Final = "_target_"
"""Key of a configuration node that names what to build."""

PACKAGE: Final = "gm_multimodal."
"""What the names of this package begin with."""

LARGEST_NUMBER: Final = 1_000_000
"""Bound of whole numbers for which an entry gives none."""


@final
@dataclass(frozen=True)
class Entry:
    """One class, or a function that makes one.

    Attributes:
        place: "module:name".
        sizes: inclusive bounds of arguments that decide how much memory and time it takes.
    """

    place: str
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


Catalogue = Mapping[str, Entry]
"""What files say -> entry."""


_COUNT = (1, 4096)
_TRUNK = {
    "width": (1, 2048),
    "heads": (1, 128),
    "layers": (1, 128),
    "pair_width": (1, 512),
    "transition": (1, 16),
    "types": _COUNT,
    "components": (1, 256),
}
_ENTRIES = (
    Entry("spaces.categorical:Categorical", {"size": _COUNT}),
    Entry("spaces.categorical:MaskedCategorical", {"size": _COUNT}),
    Entry("spaces.euclidean:Euclidean", {"dim": _COUNT}),
    Entry("spaces.interval:Interval"),
    Entry("spaces.rotations:Rotations"),
    Entry("spaces.torus:Torus", {"dim": _COUNT}),
    Entry("schedules:Linear"),
    Entry("schedules:Power"),
    Entry("schedules:Exponential"),
    Entry("schedules:Window"),
    Entry("schedules:CondOT"),
    Entry("schedules:VariancePreserving"),
    Entry("schedules:VarianceExploding"),
    Entry("schedules:Concentration"),
    Entry("schedules:Geometric"),
    Entry("paths.fisher:FisherPath"),
    Entry("paths.gaussian:GaussianPath"),
    Entry("paths.geodesic:GeodesicPath"),
    Entry("paths.igso3:IGSO3Path"),
    Entry("paths.mixture:MixturePath"),
    Entry("paths.von_mises:VonMisesPath"),
    Entry("processes.ctmc:MaskingCTMC"),
    Entry("processes.ctmc:UniformCTMC"),
    Entry("processes.euler:Euler"),
    Entry("processes.flow:Flow"),
    Entry("processes.flow_with_rates:FlowWithRates"),
    Entry("processes.jump:Jump"),
    Entry("processes.langevin:Langevin"),
    Entry("processes.langevin:noisy_flow"),
    Entry("processes.mixture:MixtureDiffusion", {"substeps": (1, 1000)}),
    Entry("processes.mixture:MixtureJump"),
    Entry("processes.plug_in:PlugIn"),
    Entry("processes.plug_in:plug_in_jump"),
    Entry("processes.rates:RateJump"),
    Entry("processes.superposition:PredictorCorrector"),
    Entry("processes.superposition:Superposition"),
    Entry("processes.superposition:flow_and_jump"),
    Entry("parameterizations.bins:Bins", {"count": _COUNT}),
    Entry("parameterizations.bins:BinPosterior"),
    Entry("parameterizations.bins:BinRates"),
    Entry("parameterizations.endpoint:EndpointMean"),
    Entry("parameterizations.point_mass:PointMass"),
    Entry("parameterizations.posterior:CategoricalPosterior"),
    Entry("parameterizations.tangent:TangentMixture", {"components": (1, 256)}),
    Entry("parameterizations.velocity:VelocityMean"),
    Entry("networks.frame_trunk:FrameTrunk", _TRUNK),
    Entry("networks.residue_trunk:ResidueTrunk", _TRUNK),
    Entry("training.optimisation:MuonOptimisation"),
    Entry("training.optimisation:Optimisation"),
)
# Names of earlier versions.
_FORMER = {
    "paths.gaussian.CondOTPath": "paths.gaussian:GaussianPath",
    "paths.mixture.MaskingPath": "paths.mixture:MixturePath",
    "parameterizations.point.PointMass": "parameterizations.point_mass:PointMass",
    "parameterizations.tangent.TangentGaussian": "parameterizations.tangent:TangentMixture",
    "training.module.Optimisation": "training.optimisation:Optimisation",
}


def catalogue(entries: Iterable[Entry], former: Mapping[str, str] = MappingProxyType({})) -> Catalogue:
    """Return what files say -> entry.

    Args:
        entries: classes of this package; their places begin below it.
        former: names of earlier versions -> place, both below this package.
    """
    by_place = {entry.place: Entry(PACKAGE + entry.place, entry.sizes) for entry in entries}
    named = {place.replace(":", "."): entry for place, entry in by_place.items()}
    named |= {name: by_place[place] for name, place in former.items()}
    return MappingProxyType({PACKAGE + name: entry for name, entry in named.items()})


GENERAL: Final = catalogue(_ENTRIES, _FORMER)
"""What all modalities share."""


def foreign_names(config: Any) -> Iterator[str]:
    """Yield every name in a configuration that is not of this package."""
    if isinstance(config, Mapping):
        target = config.get(TARGET)
        if isinstance(target, str) and not target.startswith(PACKAGE):
            yield target
        for value in config.values():
            yield from foreign_names(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from foreign_names(value)
