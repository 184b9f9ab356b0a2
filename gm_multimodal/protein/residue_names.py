"""Residue names in structure files: the twenty types, and modified residues as the types they were made from."""

from functools import cache
from typing import Final

import numpy as np

from gm_multimodal.protein.residues import THREE_LETTER

UNKNOWN_NAME: Final = "UNK"
"""What files call an amino acid whose type nobody knows."""

_TOKENS: Final = {name: token for token, name in enumerate(THREE_LETTER)}
# L-amino acids within or at the ends of a chain; D-amino acids and molecules that merely resemble one are other things
_LINKING: Final = (
    "L-PEPTIDE LINKING",
    "PEPTIDE LINKING",
    "L-PEPTIDE NH3 AMINO TERMINUS",
    "L-PEPTIDE COOH CARBOXY TERMINUS",
)
# protonation states and bridges as simulation programs name them
_FORCE_FIELD_NAMES: Final = {
    "ASH": "ASP",
    "CYM": "CYS",
    "CYX": "CYS",
    "GLH": "GLU",
    "HID": "HIS",
    "HIE": "HIS",
    "HIP": "HIS",
    "HSD": "HIS",
    "HSE": "HIS",
    "HSP": "HIS",
    "LYN": "LYS",
}


def token_of_name(name: str) -> int | None:
    """Return the token, 0 to 19, of a residue name; None for what is not a modification of one of the twenty types.

    The parent of a modified residue is that of the PDB's Chemical Component Dictionary.
    """
    token = _TOKENS.get(name)
    return token if token is not None else _modified().get(name)


@cache
def _modified() -> dict[str, int]:
    # here, because the dictionary takes 0.4 s and most files do not need it
    from biotite.structure.info import get_ccd

    names, parents, kinds = (
        get_ccd()["chem_comp"][column].as_array(str) for column in ("id", "mon_nstd_parent_comp_id", "type")
    )
    known = np.isin(parents, THREE_LETTER) & np.isin(np.char.upper(kinds), _LINKING)
    from_dictionary = zip(names[known].tolist(), parents[known].tolist(), strict=True)
    return {name: _TOKENS[parent] for name, parent in (*from_dictionary, *_FORCE_FIELD_NAMES.items())}
