from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def small_dataset(data_folder: Path) -> Path:
    return data_folder / "chains_small.parquet"


@pytest.fixture(scope="session")
def build_backbone() -> Callable[[int, float, float], np.ndarray]:
    return ideal_backbone


def ideal_backbone(length: int, phi: float, psi: float) -> np.ndarray:
    """A chain with ideal bonds and the same torsions (degrees) in every residue, [length, 4, 3], Angstrom."""
    phi, psi, omega = np.radians([phi, psi, 180.0])
    angle = np.radians(111.0)
    residues = [[1.46 * np.array([np.cos(angle), np.sin(angle), 0.0]), np.zeros(3), np.array([1.525, 0.0, 0.0])]]
    for _ in range(length - 1):
        nitrogen, alpha, carbonyl = residues[-1]
        nitrogen = _place(nitrogen, alpha, carbonyl, 1.329, 116.6, psi)
        alpha = _place(residues[-1][1], carbonyl, nitrogen, 1.46, 121.7, omega)
        residues.append([nitrogen, alpha, _place(carbonyl, nitrogen, alpha, 1.525, 111.0, phi)])
    oxygens = [_place(*residue, 1.231, 120.1, psi + np.pi) for residue in residues]
    return np.array([[*residue, oxygen] for residue, oxygen in zip(residues, oxygens, strict=True)])


def _place(first, second, third, bond: float, angle: float, torsion: float) -> np.ndarray:
    """The atom at this bond length from the third, angle (degrees) at it and torsion about second-third."""
    angle = np.radians(angle)
    along = (third - second) / np.linalg.norm(third - second)
    normal = np.cross(second - first, along)
    normal /= np.linalg.norm(normal)
    inside = np.cross(normal, along)
    direction = -np.cos(angle) * along + np.sin(angle) * (np.cos(torsion) * inside + np.sin(torsion) * normal)
    return third + bond * direction
