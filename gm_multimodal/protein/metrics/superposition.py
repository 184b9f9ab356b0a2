"""Rigid superpositions of many pairs of point sets at once (Kabsch 1976, by the quaternions of Horn 1987).

Point sets are [3, K, B]: B pairs side by side, so that every operation works on all of them, and no result depends
on the others or on points of weight 0 at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

_SMALLEST: Final = 1e-12
_NEWTON_STEPS: Final = 16  # from sqrt(3) to a root that is not nearly a double one, in double precision
_DEGENERATE: Final = 1e-3  # length of the projector's longest column, below which the root is nearly a double one


@dataclass(frozen=True)
class Motion:
    """Proper rigid motions x -> R x + t.

    Attributes:
        rotation: R, [3, 3, B].
        shift: t, [3, B].
    """

    rotation: Floats
    shift: Floats

    @classmethod
    def joined(cls, motions: Sequence["Motion"]) -> "Motion":
        """Return the motions of all, one after another."""
        rotation = np.concatenate([motion.rotation for motion in motions], axis=-1)
        return cls(rotation, np.concatenate([motion.shift for motion in motions], axis=-1))

    def apply(self, points: Floats) -> Floats:
        """Move points, [3, K, B]."""
        moved: Floats = np.einsum("dcb,ckb->dkb", self.rotation, points)
        moved += self.shift[:, None]
        return moved

    def take(self, indices: npt.NDArray[np.int64]) -> "Motion":
        """Return the motions at these places."""
        return Motion(self.rotation.take(indices, axis=-1), self.shift.take(indices, axis=-1))


def superpose(moving: Floats, fixed: Floats, weights: Floats) -> Motion:
    """Motions that minimise sum_k w_k |R x_k + t - y_k|^2.

    Where several rotations are equally good, one of them is returned.

    Args:
        moving: x, [3, K, B].
        fixed: y, [3, K, B].
        weights: w >= 0, [K, B].
    """
    shares = weights / np.maximum(weights.sum(axis=0), _SMALLEST)
    centre, target = (np.einsum("ckb,kb->cb", points, shares) for points in (moving, fixed))
    covariance = np.einsum("ckb,dkb->cdb", shares * (moving - centre[:, None]), fixed - target[:, None])
    rotation = _best_rotation(covariance.astype(np.float64)).astype(moving.dtype)
    return Motion(rotation, target - np.einsum("dcb,cb->db", rotation, centre))


def _best_rotation(covariance: Floats) -> Floats:
    """Rotations R that maximise trace(R S), [3, 3, B], of S = sum x y^T, [3, 3, B].

    The quaternion of R is the eigenvector of the largest eigenvalue of Horn's symmetric 4 x 4 matrix N. With |S| = 1
    its characteristic polynomial is p(t) = t^4 - 2 t^2 - 8 det(S) t + 2 |S^T S|^2 - 1; its largest root is at most
    sqrt(3), from where Newton's method comes down to it, and p(N) / (N - t) is, but for a factor, the projector on the
    eigenvector. A tenth of the time of LAPACK's decompositions, which remain for points on a line and the like.
    """
    s = covariance / np.maximum(np.sqrt(np.einsum("cdb,cdb->b", covariance, covariance)), _SMALLEST)
    square = np.einsum("ceb,deb->cdb", s, s)
    linear = -8.0 * np.einsum("cb,cb->b", s[0], _cross(s[1], s[2]))
    constant = 2.0 * np.einsum("cdb,cdb->b", square, square) - 1.0
    root = np.full(s.shape[-1], np.sqrt(3.0))
    for _ in range(_NEWTON_STEPS):
        slope = 4.0 * root * (root**2 - 1.0) + linear
        value = ((root**2 - 2.0) * root + linear) * root + constant
        root -= value / np.where(slope > _SMALLEST, slope, np.inf)
    horn, unit = _horn(s), np.eye(4)[..., None]
    projector = horn + root * unit
    for factor in (root**2 - 2.0, (root**2 - 2.0) * root + linear):
        projector = np.einsum("ijb,jkb->ikb", projector, horn) + factor * unit
    longest = np.argmax(np.einsum("iib->ib", projector), axis=0)
    quaternion = np.take_along_axis(projector, longest[None, None], axis=1)[:, 0]
    length = np.sqrt(np.einsum("ib,ib->b", quaternion, quaternion))
    if (unclear := length < _DEGENERATE).any():
        quaternion[:, unclear] = np.linalg.eigh(np.moveaxis(horn[..., unclear], -1, 0))[1][:, :, -1].T
        length[unclear] = 1.0
    return _matrices(quaternion / length)


def _horn(s: Floats) -> Floats:
    """Horn's matrix N of sums x y^T, [3, 3, B]: q^T N q = trace(R(q) S), [4, 4, B]."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = s
    return np.array(
        [
            [xx + yy + zz, yz - zy, zx - xz, xy - yx],
            [yz - zy, xx - yy - zz, xy + yx, zx + xz],
            [zx - xz, xy + yx, yy - xx - zz, yz + zy],
            [xy - yx, zx + xz, yz + zy, zz - xx - yy],
        ]
    )


def _matrices(quaternion: Floats) -> Floats:
    """Rotation matrices of unit quaternions [4, B], [3, 3, B]."""
    w, x, y, z = quaternion
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )


def _cross(a: Floats, b: Floats) -> Floats:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
