"""One chain as the metrics see it: its atoms, its place in a file, and what a re-run recognises it by."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.metrics.bonds import bonded_neighbours
from gm_multimodal.protein.metrics.definition import Subject
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
        coordinates: N, CA, C, O, [L, 4, 3] float32 (Angstrom).
        tokens: residue types, [L] int64 in 0 ... 19.
        residue_numbers: [L] int64; where they jump residues may be missing.
        confidence: mean confidence in [0, 1] that the maker of a design gave it; None where nobody did.
        residue_confidence: the same of each residue, [L].
    """

    name: str
    file: str
    chain: str
    digest: str
    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]
    residue_numbers: npt.NDArray[np.int64]
    confidence: float | None = None
    residue_confidence: npt.NDArray[np.floating] | None = None

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.tokens)

    @property
    def subject(self) -> Subject:
        """The structure as judges see it."""
        return Subject(self.name, self.coordinates, self.tokens)

    @functools.cached_property
    def bonded(self) -> npt.NDArray[np.bool_]:
        """Whether consecutive rows are neighbours in the chain, [L - 1]."""
        return bonded_neighbours(self.coordinates, self.residue_numbers)

    @functools.cached_property
    def torsions(self) -> npt.NDArray[np.floating]:
        """Torsions phi and psi, [L, 2] (degrees), NaN where a neighbour is missing."""
        return phi_psi(self.coordinates, self.bonded)

    @functools.cached_property
    def letters(self) -> str:
        """DSSP letter of each residue."""
        return dssp(self.coordinates, self.tokens, self.bonded)
