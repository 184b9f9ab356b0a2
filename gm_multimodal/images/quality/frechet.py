"""Fréchet distance between sets of features."""

from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^1/2) of features [N, d] and [M, d]."""
    raise NotImplementedError


def bootstrap_error(a: Tensor, b: Tensor, *, draws: int = 50, seed: int = 0) -> float:
    """Return the standard error of the distance over redraws of the rows of `a` with replacement."""
    raise NotImplementedError
