"""Trajectories of designs read back: the models of one PDB file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.structure_file import open_structure


def read_alpha_carbons(path: str | Path) -> npt.NDArray[np.float32]:
    """Alpha carbons of every model, [T, L, 3] in Angstrom.

    Raises:
        UserInputError: The file cannot be read, or its models differ in their atoms.
    """
    file = open_structure(path)
    is_alpha = file.atoms(1).atom_name == "CA"
    try:
        return np.asarray(file.content.file.get_coord()[:, is_alpha], dtype=np.float32)
    except Exception as error:  # a malformed model can break the parser anywhere
        raise UserInputError(f"trajectory {path} cannot be read: {error or type(error).__name__}") from error
