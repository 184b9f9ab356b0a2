"""Rigid superpositions of many pairs of point sets at once (Kabsch 1976)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

_SMALLEST: Final = 1e-12


@dataclass(frozen=True)
class Motion:
    """Proper rigid motions x -> R x + t.

    Attributes:
        rotation: R, [B, 3, 3].
        shift: t, [B, 3].
    """

    rotation: Floats
    shift: Floats

    def apply(self, points: Floats) -> Floats:
        """Move points, [B, K, 3]."""
        return points @ self.rotation.mT + self.shift[:, None]

    def take(self, indices: npt.NDArray[np.int64]) -> "Motion":
        """Return the motions at these places."""
        return Motion(self.rotation[indices], self.shift[indices])


def superpose(moving: Floats, fixed: Floats, weights: Floats) -> Motion:
    """Motions that minimise sum_k w_k |R x_k + t - y_k|^2.

    Where several rotations are equally good, one of them is returned.

    Args:
        moving: x, [B, K, 3].
        fixed: y, [B, K, 3].
        weights: w >= 0, [B, K].
    """
    total = np.maximum(weights.sum(axis=1, keepdims=True), _SMALLEST)
    shares = (weights / total)[:, None]
    centre, target = shares @ moving, shares @ fixed
    covariance = (moving - centre).mT @ (shares.mT * (fixed - target))
    left, _, right = np.linalg.svd(covariance.astype(np.float64))
    # a reflection would be better in some cases; the least important axis is turned to make it a rotation
    right[:, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    rotation = (left @ right).mT.astype(moving.dtype)
    return Motion(rotation, (target - centre @ rotation.mT)[:, 0])
