"""Frames and backbone atoms: N, CA, C, O in Angstrom outside, translations in nm and rotations inside."""

import torch
from torch import Tensor

ANGSTROM_PER_NM = 10.0

# Ideal residue in its own frame (nm): CA at the origin, C along x, N in the upper half of the xy plane.
_N = (-0.0525, 0.1363, 0.0)
_CA = (0.0, 0.0, 0.0)
_C = (0.1526, 0.0, 0.0)
# O of a residue without successor: bond 1.231 Angstrom, angle CA-C-O 120.1 degrees, psi 135 degrees.
_LAST_O = (0.2143, 0.0753, -0.0753)
_CARBONYL = 0.1231


def frames_from_backbone(coordinates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the frames of residues: origin CA, x axis CA -> C, N in the xy plane with y > 0.

    Args:
        coordinates: N, CA, C (and more), [*B, >= 3, 3] (Angstrom).

    Returns:
        Translations [*B, 3] (nm) and rotations [*B, 3, 3].
    """
    n, ca, c = (coordinates[..., k, :] for k in range(3))
    x = torch.nn.functional.normalize(c - ca, dim=-1)
    toward_n = n - ca
    y = torch.nn.functional.normalize(toward_n - (toward_n * x).sum(-1, keepdim=True) * x, dim=-1)
    rotations = torch.stack([x, y, torch.linalg.cross(x, y)], -1)
    return ca / ANGSTROM_PER_NM, rotations


def ideal_atoms(translations: Tensor, rotations: Tensor) -> Tensor:
    """Place N, CA, C of ideal geometry in frames, [*B, 3 atoms, 3] (nm); differentiable."""
    ideal = torch.tensor([_N, _CA, _C], dtype=translations.dtype, device=translations.device)
    return translations[..., None, :] + ideal @ rotations.mT


def backbone_from_frames(translations: Tensor, rotations: Tensor) -> Tensor:
    """Return the backbone of one chain, N, CA, C, O, [*B, L, 4, 3] (Angstrom).

    O lies in the plane of CA, C and the next N, opposite to their bisector (bond 1.231 Angstrom); the last residue,
    which has no successor, gets the O of an extended chain.

    Args:
        translations: [*B, L, 3] (nm), consecutive residues of one chain.
        rotations: [*B, L, 3, 3].
    """
    atoms = ideal_atoms(translations, rotations)
    last_o = torch.tensor(_LAST_O, dtype=translations.dtype, device=translations.device)
    last = translations[..., -1:, :] + (rotations[..., -1:, :, :] @ last_o[:, None]).squeeze(-1)
    oxygen = torch.cat([carbonyl_oxygens(atoms), last], -2)
    return torch.cat([atoms, oxygen[..., None, :]], -2) * ANGSTROM_PER_NM


def carbonyl_oxygens(atoms: Tensor) -> Tensor:
    """Place O in the plane of CA, C and the next N, opposite to their bisector; differentiable.

    Args:
        atoms: N, CA, C of consecutive residues of one chain, [*B, L, 3 atoms, 3] (nm).

    Returns:
        O of all residues but the last, [*B, L - 1, 3] (nm).
    """
    unit = torch.nn.functional.normalize
    n, ca, c = atoms[..., 1:, 0, :], atoms[..., :-1, 1, :], atoms[..., :-1, 2, :]
    bisector = unit(ca - c, dim=-1) + unit(n - c, dim=-1)
    return c - _CARBONYL * unit(bisector, dim=-1)
