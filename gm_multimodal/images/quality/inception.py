"""The features of Inception-v3 in which the standard FID is computed, from a TorchScript file that the user has.

The file is ``inception-2015-12-05.pt`` of NVIDIA's StyleGAN2-ADA and EDM: the weights of the original FID with its own
resizing. It is not part of this package and is never downloaded. A TorchScript file is a programme: take it from its
makers.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from gm_multimodal.errors import CheckpointError
from gm_multimodal.images.dataset import levels_of

_LEVELS: Final = 256
_CHUNK: Final = 250


def find_inception(path: str | Path) -> Path:
    """Return the path of the detector.

    Raises:
        CheckpointError: There is no file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"inception {path} does not exist; give your copy of inception-2015-12-05.pt")
    return path


@torch.inference_mode()
def inception_features(path: str | Path, points: Tensor, device: torch.device) -> Tensor:
    """Return the pooled features of images [N, C, H, W] in [-1, 1], float32 [N, 2048]; grey ones are shown as RGB.

    Raises:
        CheckpointError: The file is missing, or is not the detector.
    """
    path = find_inception(path)
    try:
        detector = torch.jit.load(path, map_location=device).eval()
        parts = [_features(detector, part.to(device)) for part in points.split(_CHUNK)]
    except RuntimeError as error:
        first_line = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"inception {path} cannot be run ({first_line}); give the TorchScript file inception-2015-12-05.pt"
        ) from error
    return torch.cat(parts).float().cpu()


def _features(detector: torch.jit.ScriptModule, points: Tensor) -> Tensor:
    levels = levels_of(points, _LEVELS)
    features: Tensor = detector(levels.expand(-1, 3, -1, -1), return_features=True)
    if features.ndim != 2 or len(features) != len(points):
        raise RuntimeError(f"it gives {list(features.shape)} for {len(points)} images")
    return features
