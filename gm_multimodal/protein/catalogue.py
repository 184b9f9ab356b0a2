"""What configurations of proteins may name."""

from types import MappingProxyType
from typing import Final

from gm_multimodal.training.catalogue import GENERAL, Catalogue, Entry, catalogue

_ENTRIES = (
    Entry("protein.auxiliary:BackboneLosses"),
    Entry("protein.tasks:Curriculum"),
    Entry("protein.torsions:TorsionPart", {"width": (1, 2048), "components": (1, 256)}),
)

CATALOGUE: Final[Catalogue] = MappingProxyType({**GENERAL, **catalogue(_ENTRIES)})
"""What files say -> entry."""
