"""Whether a program made the model of a structure file, so that its B-factors are a confidence.

The header says so, where there is one. Without any, B-factors that are the same for all atoms of a residue and differ
between residues are a confidence: those of experiments differ from atom to atom.
"""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.protein.pdb_file import PdbText

_EXPERIMENT: Final = re.compile(r"^EXPDTA(?!.*THEORETICAL)", re.MULTILINE)
_PREDICTED: Final = re.compile(
    r"^(HEADER|TITLE|EXPDTA|REMARK).*(ALPHAFOLD|ESMFOLD|ROSETTAFOLD|OMEGAFOLD|OPENFOLD|COLABFOLD|BOLTZ|CHAI-?1"
    r"|THEORETICAL MODEL)|^PARENT ",
    re.MULTILINE | re.IGNORECASE,
)
_BARE: Final = re.compile(r"\s*((MODEL|PARENT|AUTHOR)\b[^\n]*\s*)*")  # a head that says nothing of an experiment
_HIGHEST: Final = 100.0
_FEWEST_RESIDUES: Final = 10
_FEWEST_ATOMS: Final = 3
_FEWEST_VALUES: Final = 3


def is_predicted_pdb(content: PdbText) -> bool:
    """Return whether the records, or else the B-factors, of a PDB file are those of a prediction."""
    if _PREDICTED.search(content.head):
        return not _EXPERIMENT.search(content.head)
    return bool(_BARE.fullmatch(content.head)) and _are_confidences(*content.residue_b_factors())


def is_predicted_cif(block: Any) -> bool:
    """Return whether the categories, or else the B-factors, of an mmCIF block are those of a prediction."""
    methods = [text.upper() for text in _values(block, "exptl", "method")]
    if methods:
        return all("THEORETICAL" in text for text in methods)
    methodology = _values(block, "struct", "pdbx_structure_determination_methodology")
    if any(name.startswith("ma_") for name in block) or "computational" in [text.lower() for text in methodology]:
        return True
    says_more = any(name.startswith(("refine", "reflns", "em_", "pdbx_nmr", "cell", "database_2")) for name in block)
    atoms = block["atom_site"]
    if says_more or "B_iso_or_equiv" not in atoms:
        return False
    names = [name for name in ("auth_asym_id", "label_asym_id", "auth_seq_id", "label_seq_id") if name in atoms]
    residues = [" ".join(parts) for parts in zip(*(atoms[name].as_array(str, "") for name in names), strict=True)]
    return _are_confidences(residues, atoms["B_iso_or_equiv"].as_array(float, 0.0))


def _values(block: Any, category: str, column: str) -> list[str]:
    found = category in block and column in block[category]
    return [text for text in block[category][column].as_array(str, "").tolist() if text] if found else []


def _are_confidences(residues: list[str], b_factors: npt.NDArray[np.floating]) -> bool:
    """Whether values of atoms, each of a named residue, are one for each residue and not the same for all."""
    if not len(b_factors) or b_factors.min() < 0 or not 0 < b_factors.max() <= _HIGHEST:
        return False
    _, place, counts = np.unique(residues, return_inverse=True, return_counts=True)
    lowest, highest = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    np.minimum.at(lowest, place, b_factors)
    np.maximum.at(highest, place, b_factors)
    whole = counts >= _FEWEST_ATOMS
    same = bool((lowest == highest).all())
    return same and int(whole.sum()) >= _FEWEST_RESIDUES and len(np.unique(lowest)) >= _FEWEST_VALUES
