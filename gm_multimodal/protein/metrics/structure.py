"""One chain as the metrics see it: its atoms, its place in a file, and what a re-run recognises it by."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.metrics.hydrogen_bonds import dssp
from gm_multimodal.protein.metrics.ramachandran import phi_psi


@dataclass(frozen=True)
class Structure:
    """One chain of a file.

    Attributes:
        name: unique among the structures of an evaluation.
        file: path of the file, as text.
        chain: its name in the file.
        digest: of the file's content and the chain's name.
        backbone: its residues; where their numbers jump residues may be missing.
        confidence: mean confidence in [0, 1] that the maker of a design gave it; None where nobody did.
        residue_confidence: the same of each residue, [L].
    """

    name: str
    file: str
    chain: str
    digest: str
    backbone: Backbone
    confidence: float | None = None
    residue_confidence: npt.NDArray[np.floating] | None = None

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.backbone)

    @functools.cached_property
    def bonded(self) -> npt.NDArray[np.bool_]:
        """Whether consecutive rows should be bonded, [L - 1]: they are, or no number is missing between them.

        A long bond between consecutive numbers is a broken bond, and counts as one; elsewhere the file lacks residues.
        """
        if self.backbone.labels is None:
            return self.backbone.is_bonded
        return self.backbone.is_bonded | (np.diff(self.backbone.numbers) <= 1)

    @functools.cached_property
    def torsions(self) -> npt.NDArray[np.floating]:
        """Torsions phi and psi, [L, 2] (degrees), NaN where a neighbour is missing."""
        return phi_psi(self.backbone.coordinates, self.bonded)

    @functools.cached_property
    def letters(self) -> str:
        """DSSP letter of each residue."""
        return dssp(self.backbone.coordinates, self.backbone.tokens, self.bonded)
