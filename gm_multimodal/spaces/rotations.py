"""The rotation group SO(3): matrices [*B, 3, 3]; tangent vectors are rotation vectors in the body frame (rad).

Conversions are our own; a test compares them with e3nn's, which go through axis and angle. In single precision e3nn's
logarithm is off by 1e-4 rad at angles of 1e-4 and by 1e-3 close to pi (here 1e-11 and 5e-7), the identity has no axis
to differentiate by, and matrices from vectors or quaternions take three to five times the CPU time.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from gm_multimodal.noise import Noise


@final
@dataclass(frozen=True)
class Rotations:
    """SO(3) with the bi-invariant metric whose distance is the rotation angle (rad); the prior is Haar measure."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(3, 3)."""
        return (3, 3)

    @property
    def tangent_dim(self) -> int:
        """Three."""
        return 3

    def prior(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw x_0 from Haar measure, [*B, 3, 3]: a normalised Gaussian quaternion is uniform on S^3."""
        return nearly_orthogonal(quaternion_to_matrix(noise.normal((*batch, 4))))

    def contains(self, x: Tensor, *, tolerance: float = 1e-5) -> Tensor:
        """Return which matrices are orthogonal with determinant one, bool [*B]."""
        defect = (x @ x.mT - torch.eye(3, dtype=x.dtype, device=x.device)).abs().amax((-2, -1))
        return (defect <= tolerance) & (torch.linalg.det(x) > 0)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Turn x by the rotation vector v in its own frame, [*B, 3, 3]: x times the exponential of [v]_x.

        What rounding takes from orthogonality is given back at once, so that it does not add up over many steps.
        """
        return nearly_orthogonal(x @ rotation_exp(v))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return v with |v| <= pi and x exp([v]_x) = y, [*B, 3] (rad)."""
        return rotation_log(x.mT @ y)

    @property
    def radius(self) -> float:
        """Half a turn (rad)."""
        return math.pi

    def radial_density(self, r: Tensor) -> Tensor:
        """Return (1 - cos r) / pi, the density of the angle of a rotation drawn from Haar measure; as `r`."""
        return (2 / math.pi) * torch.sin(r / 2).square()

    def lengths(self, v: Tensor) -> Tensor:
        """Return the angle |v|, [*B, 3] -> [*B] (rad)."""
        return v.norm(dim=-1)

    def directions(self, batch: tuple[int, ...], noise: Noise) -> Tensor:
        """Draw uniform axes, [*B, 3]."""
        return functional.normalize(noise.normal((*batch, 3)), dim=-1)


def quaternion_to_matrix(q: Tensor) -> Tensor:
    """Return the rotation matrix of the quaternion q / |q| (scalar part first), [*B, 4] -> [*B, 3, 3].

    Polynomial in q, so that it is smooth everywhere; the field's conversions that pass through axis and angle are not.
    """
    w, x, y, z = (q * (2**0.5 / q.norm(dim=-1, keepdim=True))).unbind(-1)
    first = [1 - y * y - z * z, x * y - w * z, x * z + w * y]
    second = [x * y + w * z, 1 - x * x - z * z, y * z - w * x]
    third = [x * z - w * y, y * z + w * x, 1 - x * x - y * y]
    return torch.stack(first + second + third, -1).unflatten(-1, (3, 3))


def nearly_orthogonal(r: Tensor) -> Tensor:
    """Return r - r (r^T r - I) / 2, one Newton step towards the nearest rotation, [*B, 3, 3] -> [*B, 3, 3].

    A defect r^T r - I of size e becomes one of size 3/4 e^2 (Higham, Functions of Matrices, section 8.3): of rounding
    errors nothing but the rounding of the step itself is left.
    """
    return r - 0.5 * (r @ (r.mT @ r - torch.eye(3, dtype=r.dtype, device=r.device)))


# Row k holds the entries of the generator [e_k]_x.
_GENERATORS = torch.tensor([[0, 0, 0, 0, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 0, -1, 0, 0], [0, -1, 0, 1, 0, 0, 0, 0, 0]])


def rotation_exp(v: Tensor) -> Tensor:
    """Return exp([v]_x) = I + sinc|v| [v]_x + (1 - cos|v|)/|v|^2 [v]_x^2 (Rodrigues), [*B, 3] -> [*B, 3, 3].

    Smooth with finite derivatives at v = 0.
    """
    square = v.square().sum(-1, keepdim=True)[..., None]
    # The tiny offset keeps the derivative of the square root finite at 0; it is below the rounding of sinc and cos.
    angle = (square + torch.finfo(v.dtype).tiny ** 0.5).sqrt()
    generator = (v @ _GENERATORS.to(v)).unflatten(-1, (3, 3))
    linear, quadratic = torch.sinc(angle / torch.pi), 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    return torch.eye(3, dtype=v.dtype, device=v.device) + linear * generator + quadratic * (generator @ generator)


def rotation_log(r: Tensor) -> Tensor:
    """Return the rotation vector v, |v| <= pi, with exp([v]_x) = r, [*B, 3, 3] -> [*B, 3] (rad).

    Goes through the unit quaternion taken from its largest component, so that it is accurate at 0 and at pi. Not meant
    to be differentiated: at angle pi no derivative exists.
    """
    m = [[r[..., i, j] for j in range(3)] for i in range(3)]
    trace = m[0][0] + m[1][1] + m[2][2]
    a, b, c = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    d, e, f = m[1][0] + m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2]
    # Row k is 4 q_k q: proportional to the quaternion q, and well conditioned for the largest q_k.
    rows = (
        (1 + trace, a, b, c),
        (a, 1 + 2 * m[0][0] - trace, d, e),
        (b, d, 1 + 2 * m[1][1] - trace, f),
        (c, e, f, 1 + 2 * m[2][2] - trace),
    )
    products = torch.stack([torch.stack(row, -1) for row in rows], -2)
    best = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    q = products.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    q = torch.where(q[..., :1] < 0, -q, q)
    imaginary = q[..., 1:].norm(dim=-1)
    angle = 2 * torch.atan2(imaginary, q[..., 0])
    ratio = torch.where(imaginary > 0, angle / imaginary, torch.zeros_like(angle))
    return ratio[..., None] * q[..., 1:]


def rotation_angle(x: Tensor, y: Tensor) -> Tensor:
    """Return the angle of x^T y, the geodesic distance, [*B] in [0, pi] (rad)."""
    return rotation_log(x.mT @ y).norm(dim=-1)
