"""The secondary structure of a backbone, wherever this project speaks of it: by hydrogen bonds (`hydrogen_bonds.dssp`).

G, H and I are helix, E and B strand, and all other letters coil.
"""

from dataclasses import dataclass
from typing import Final, final

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.metrics.hydrogen_bonds import dssp

HELIX: Final = "GHI"
STRAND: Final = "EB"


@final
@dataclass(frozen=True)
class Shares:
    """Shares of residues in helix, strand and neither; they add up to 1."""

    helix: float
    strand: float
    coil: float


def secondary_structure(backbone: Backbone) -> str:
    """Return the DSSP letter of each residue; chains may share sheets."""
    return dssp(backbone.coordinates, backbone.tokens, backbone.is_bonded)


def shares(letters: str) -> Shares:
    """Return how much of helix, strand and coil DSSP letters tell, at least one."""
    helix, strand = (sum(letter in kind for letter in letters) for kind in (HELIX, STRAND))
    return Shares(*(count / len(letters) for count in (helix, strand, len(letters) - helix - strand)))
