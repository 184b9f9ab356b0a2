"""Self-consistency: is a structure what a folding tool makes of its sequence, or of another one for its backbone?"""

from collections.abc import Mapping, Sequence
from typing import Final, final

import biotite.structure as struc
import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.judges.folding import FoldedStructure, Folder
from gm_multimodal.protein.judges.protein_mpnn import MODEL, ProteinMPNN
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.metrics.tm_score import paired_tm_score

DESIGNABLE: Final = 2.0
"""RMSD over N, CA, C below which a structure counts as designable (Angstrom)."""

_CA: Final = slice(1, 2)
_N_CA_C: Final = slice(0, 3)

Columns = dict[str, float | str | None]


def rmsd(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], atoms: slice) -> float:
    """Root mean square distance of the atoms of two backbones [L, 4, 3] after the best superposition (Angstrom)."""
    fixed, mobile = (x[:, atoms].reshape(-1, 3).astype(np.float64) for x in (a, b))
    fitted, _ = struc.superimpose(fixed, mobile)
    return float(struc.rmsd(fixed, fitted))


@final
class SelfConsistency:
    """Folds the own sequence of a structure and, with ProteinMPNN, sequences that it draws for the backbone.

    The variants of MultiFlow (arXiv 2402.04997): "co-design 1" is the own sequence, "PMPNN N" the best of N drawn ones
    by the RMSD over N, CA, C, "PMPNN 1" the first of them.

    Args:
        folder: the folding tool.
        mpnn: draws sequences; None leaves its columns out.
        sequences: how many are drawn for each backbone.
        seed: of the draws; temperature 0.1.
    """

    def __init__(self, folder: Folder, mpnn: ProteinMPNN | None = None, *, sequences: int, seed: int) -> None:
        self._folder, self._mpnn, self._sequences, self._seed = folder, mpnn, sequences, seed

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """RMSD, TM-score, confidence and designability of each variant."""
        found = _define("sc_own", "the own sequence (co-design 1)", self._folder.tool, self._folder.version)
        if self._mpnn is None:
            return found
        tool = f"{self._folder.tool}; ProteinMPNN {MODEL}"
        version = f"{self._folder.version}; proteinmpnn {self._mpnn.version}"
        drawn = f"{self._sequences} sequences drawn by ProteinMPNN at temperature 0.1, seed {self._seed}"
        best = f"the one of {drawn}, that folds closest over N, CA, C (PMPNN {self._sequences})"
        found |= _define("sc_mpnn_best", best, tool, version)
        return found | _define("sc_mpnn_first", f"the first of {drawn} (PMPNN 1)", tool, version)

    def judge(self, subjects: Sequence[Backbone]) -> Sequence[Mapping[str, float | str | None]]:
        """Fold all sequences of all structures together, and compare."""
        sequences = [self._sequences_of(subject) for subject in subjects]
        folds = iter(self._folder.fold([tokens for some in sequences for tokens in some]))
        return [
            self._compare(subject, [next(folds) for _ in some])
            for subject, some in zip(subjects, sequences, strict=True)
        ]

    def _sequences_of(self, subject: Backbone) -> list[npt.NDArray[np.int64]]:
        if self._mpnn is None:
            return [subject.tokens]
        drawn = self._mpnn.design(subject.coordinates, count=self._sequences, seed=self._seed)
        return [subject.tokens, *drawn.tokens]

    def _compare(self, subject: Backbone, folds: Sequence[FoldedStructure]) -> Columns:
        own, *drawn = folds
        chosen = {"sc_own": own}
        if drawn:
            closest = min(drawn, key=lambda fold: rmsd(subject.coordinates, fold.coordinates, _N_CA_C))
            chosen |= {"sc_mpnn_best": closest, "sc_mpnn_first": drawn[0]}
        row: Columns = {}
        for variant, fold in chosen.items():
            row |= {f"{variant}_{name}": value for name, value in _figures(subject, fold).items()}
            if fold.plddt is None:
                row[f"{variant}_plddt reason"] = "the folding tool gives none"
        return row


def _figures(subject: Backbone, fold: FoldedStructure) -> Columns:
    backbone = rmsd(subject.coordinates, fold.coordinates, _N_CA_C)
    return {
        "rmsd_ca": rmsd(subject.coordinates, fold.coordinates, _CA),
        "rmsd_n_ca_c": backbone,
        "tm": paired_tm_score(subject.coordinates, fold.coordinates),
        "plddt": fold.plddt,
        "designable": float(backbone < DESIGNABLE),
    }


def _define(variant: str, sequence: str, tool: str, version: str) -> dict[str, Definition]:
    bound = f"{DESIGNABLE:g} Angstrom"
    texts = {
        "rmsd_ca": ("RMSD between the structure and the fold of", "CA", ""),
        "rmsd_n_ca_c": ("RMSD between the structure and the fold of", "N, CA, C", ""),
        "tm": ("TM-score (residues paired in order) between the structure and the fold of", "CA", ""),
        "plddt": ("Mean confidence (0 to 100) of the tool in the fold of", "", ""),
        "designable": ("1 if the RMSD is below the threshold, else 0 (its mean is the share), for", "N, CA, C", bound),
    }
    return {
        f"{variant}_{name}": Definition(f"{text} {sequence}.", tool, version, atoms, threshold)
        for name, (text, atoms, threshold) in texts.items()
    }
