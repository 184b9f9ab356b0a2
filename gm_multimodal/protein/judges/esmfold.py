"""ESMFold (Lin et al., Science 2023) through transformers, with weights that the user has on disk."""

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import torch

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.judges.folding import FoldedStructure
from gm_multimodal.protein.residues import decode

_PACKAGE: Final = "transformers"
_BACKBONE: Final = slice(0, 4)  # N, CA, C, O come first among the 14 atoms of a residue
_CA: Final = 1
_CHUNK: Final = 64  # rows of the pair representation at once, beyond the length below; changes memory alone
_LONG: Final = 256


@final
class EsmFold:
    """The network, ready to fold. One sequence at a time, so that no structure depends on its company.

    Args:
        path: folder with config.json and weights, as `EsmForProteinFolding.save_pretrained` writes it.
        device: where to compute.

    Raises:
        UserInputError: transformers is not installed, or the folder does not hold such a model.
    """

    def __init__(self, path: str | Path, device: torch.device | str = "cpu") -> None:
        if importlib.util.find_spec(_PACKAGE) is None:
            raise UserInputError(f"esmfold={path} needs the package {_PACKAGE}: pip install {_PACKAGE}.")
        self._path = Path(path).expanduser()
        if not (self._path / "config.json").is_file():
            raise UserInputError(
                f"esmfold={path} is not a folder with a config.json: give one that holds the weights of "
                "facebook/esmfold_v1 (8 GB); nothing is downloaded."
            )
        from transformers import EsmForProteinFolding

        try:
            # local_files_only: nothing reaches for the network
            network = EsmForProteinFolding.from_pretrained(str(self._path), local_files_only=True)
        except (OSError, ValueError, RuntimeError, AttributeError, KeyError, TypeError) as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserInputError(f"esmfold={path} cannot be loaded as ESMFold: {said}") from error
        self._network: Any = network.to(device).eval()

    @property
    def tool(self) -> str:
        """ESMFold and the folder of its weights."""
        return f"ESMFold from {self._path}"

    @property
    def version(self) -> str:
        """Of transformers."""
        return f"transformers {version(_PACKAGE)}"

    @torch.inference_mode()
    def fold(self, sequences: Sequence[npt.NDArray[np.int64]]) -> list[FoldedStructure]:
        """Predict a structure for each sequence."""
        return [self._fold_one(decode(tokens)) for tokens in sequences]

    def _fold_one(self, letters: str) -> FoldedStructure:
        self._network.trunk.set_chunk_size(_CHUNK if len(letters) > _LONG else None)
        output = self._network.infer([letters])
        coordinates = output["positions"][-1, 0, :, _BACKBONE].float().cpu().numpy()
        return FoldedStructure(coordinates, 100 * float(output["plddt"][0, :, _CA].float().mean()))
