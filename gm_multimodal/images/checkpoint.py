"""Checkpoints of networks over pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import nn

from gm_multimodal.errors import CheckpointError, UserInputError
from gm_multimodal.images.catalogue import CATALOGUE
from gm_multimodal.images.product import Pixels
from gm_multimodal.training.build import build
from gm_multimodal.training.catalogue import PACKAGE, TARGET
from gm_multimodal.training.checkpoints import read_released


@final
@dataclass(frozen=True)
class ImageModel:
    """A trained network over pixels, with all that is needed to say what it is.

    Attributes:
        network: in evaluation mode, single precision, on the CPU.
        pixels: what its pixels are.
        metadata: version, provenance of the training, as written.
        digest: first 16 hexadecimal digits of the file's SHA-256.
    """

    network: nn.Module
    pixels: Pixels
    metadata: Mapping[str, Any]
    digest: str


def load_image_model(path: Path, *, allow_code: bool = False) -> ImageModel:
    """Load a checkpoint that a training on images released: nothing in the file decides what code runs.

    Args:
        path: the file.
        allow_code: whether the file may name a network outside this package, which is then imported and called.

    Raises:
        CheckpointError: the file does not exist, is truncated, or is not a checkpoint of images.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint={path} is not a file: give one that `gm-multimodal images train` wrote.")
    released = read_released(path)
    try:
        pixels = build({**released.config["pixels"], TARGET: f"{PACKAGE}images.product.Pixels"}, CATALOGUE)
    except (KeyError, TypeError, UserInputError) as error:
        raise CheckpointError(
            f"checkpoint {path} is not a model of images: give one that `gm-multimodal images train` wrote."
        ) from error
    return ImageModel(released.network(CATALOGUE, allow_code=allow_code), pixels, released.metadata, released.digest)
