"""Trajectories of designs read back: the models of one PDB file."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from biotite.structure.io.pdb import PDBFile

from gm_multimodal.errors import UserInputError
from gm_multimodal.reading import MAX_BYTES, read_bytes


def read_alpha_carbons(path: str | Path) -> npt.NDArray[np.float32]:
    """Alpha carbons of every model, [T, L, 3] in Angstrom.

    Raises:
        UserInputError: The file cannot be read, or its models differ in their atoms.
    """
    try:
        text = read_bytes(Path(path), MAX_BYTES).decode("ascii", "replace")
        models = PDBFile.read(io.StringIO(text)).get_structure()
    except Exception as error:  # a malformed file can break a parser anywhere
        raise UserInputError(f"trajectory {path} cannot be read: {error or type(error).__name__}") from error
    return np.asarray(models.coord[:, models.atom_name == "CA"], dtype=np.float32)
