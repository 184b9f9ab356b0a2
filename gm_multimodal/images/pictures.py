"""Pictures of samples: a grid as PNG, a trajectory as GIF."""

import io
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from gm_multimodal.files import write_atomically
from gm_multimodal.images.dataset import levels_of

_LEVELS: Final = 256
_SIDE: Final = 56  # pixels that an image should have to be seen; smaller ones are enlarged by whole numbers
_GAP: Final = 2
_WHITE: Final = 255
_FRAME, _LAST_FRAME = 80, 2000  # ms


def write_grid(path: str | Path, points: Tensor, columns: int) -> None:
    """Write images [N, C, H, W] in [-1, 1], C = 1 or 3, as one PNG, row by row; atomically."""
    file = io.BytesIO()
    _picture(points, columns).save(file, "PNG", optimize=True)
    write_atomically(path, file.getvalue())


def write_gif(path: str | Path, frames: Tensor, columns: int) -> None:
    """Write frames [T, N, C, H, W] in [-1, 1] as a GIF that repeats, each a grid; the last one stays longer."""
    first, *others = (_picture(points, columns) for points in frames)
    durations = [_FRAME] * len(others) + [_LAST_FRAME]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    write_atomically(path, file.getvalue())


def _picture(points: Tensor, columns: int) -> Image.Image:
    tiles = _tiles(points)
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels), _WHITE, dtype=np.uint8)
    for k, tile in enumerate(tiles):
        top, left = _GAP + k // columns * (height + _GAP), _GAP + k % columns * (width + _GAP)
        canvas[top : top + height, left : left + width] = tile
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def _tiles(points: Tensor) -> npt.NDArray[np.uint8]:
    """Return the images as bytes [N, H, W, C], enlarged without blurring."""
    assert points.ndim == 4 and points.shape[1] in (1, 3), points.shape
    factor = max(1, round(_SIDE / max(points.shape[2:])))
    levels = levels_of(points.detach().cpu(), _LEVELS)
    large = levels.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    return np.asarray(torch.movedim(large, 1, -1))
