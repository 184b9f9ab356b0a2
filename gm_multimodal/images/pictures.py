"""Pictures of samples: a grid as PNG, a trajectory as GIF."""

from pathlib import Path

from torch import Tensor


def write_grid(path: str | Path, points: Tensor, columns: int) -> None:
    """Write images [N, C, H, W] in [-1, 1] as one PNG, row by row."""
    raise NotImplementedError


def write_gif(path: str | Path, frames: Tensor, columns: int) -> None:
    """Write frames [T, N, C, H, W] in [-1, 1] as an animated GIF, each a grid."""
    raise NotImplementedError
