"""Ideal bonds: the small motion of residues that mends the bonds between them at the end of a simulation.

Residues are drawn one by one from what the network says of each, so that a bond between two of them is right to a few
hundredths of an Angstrom and wrong now and then. Here the frames move to a minimum of

    sum_bonds ((d - d_ideal) / s_d)^2 + sum_clashes ((3.9 - d) / 0.1)^2 + sum_residues (|u| / s_u)^2 + (|w| / s_w)^2

with d the four distances that settle a peptide unit and u, w the translation and rotation of each residue (Angstrom,
rad). A few dozen steps of a gradient method come near it; they move alpha carbons by 0.04 to 0.1 Angstrom (root mean
square).
"""

from typing import Final

import torch
from torch import Tensor

from gm_multimodal.protein.frames import ANGSTROM_PER_NM, ideal_atoms
from gm_multimodal.spaces.rotations import rotation_exp

# Across a peptide bond (Angstrom): bond 1.329, angles CA-C-N 117.2 and C-N-CA 121.7 degrees (Engh and Huber 2001), and
# the CA-CA distances of omega = 180 and 0 degrees.
_C_N: Final = 1.329
_CA_N: Final = 2.439
_C_CA: Final = 2.437
_CA_CA: Final = 3.80
_CIS_CA_CA: Final = 2.95
_NO_CLASH: Final = 3.9
_SPREADS: Final = {"C-N": 0.02, "CA-N": 0.05, "C-CA": 0.05, "CA-CA": 0.04, "clash": 0.1}
_TRANSLATION: Final = 0.3  # Angstrom
_ROTATION: Final = 0.2  # rad
_STEPS: Final = 50
_RATE: Final = 0.06


@torch.inference_mode(False)
def idealise(
    translations: Tensor, rotations: Tensor, *, present: Tensor, linked: Tensor, movable: Tensor
) -> tuple[Tensor, Tensor]:
    """Move residues to where their peptide bonds are ideal and no CA clash; rows do not depend on each other.

    Args:
        translations: [B, L, 3] (nm).
        rotations: [B, L, 3, 3].
        present: real residues, which others must not clash with, bool [B, L].
        linked: whether a peptide bond joins a residue and the next, bool [B, L - 1].
        movable: residues that may move, bool [B, L].

    Returns:
        Translations and rotations, shaped as they came; equal to what came where not movable.
    """
    x0, r0 = translations.detach().clone().float() * ANGSTROM_PER_NM, rotations.detach().clone().float()
    ca_ca = torch.where(_distance(x0[:, 1:], x0[:, :-1]) < (_CA_CA + _CIS_CA_CA) / 2, _CIS_CA_CA, _CA_CA)
    first, second = torch.triu_indices(x0.shape[1], x0.shape[1], 3, device=x0.device)
    apart = present[:, first] & present[:, second]
    free = movable[..., None].float()
    with torch.enable_grad():
        # in units of their spreads, so that all variables are of one size
        motion = torch.zeros(*x0.shape[:2], 6, device=x0.device, requires_grad=True)
        optimiser = torch.optim.Adam([motion], lr=_RATE, betas=(0.8, 0.95))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
        for _ in range(_STEPS):
            x, r = _moved(x0, r0, motion * free)
            ca, c = (atoms := ideal_atoms(x / ANGSTROM_PER_NM, r) * ANGSTROM_PER_NM)[..., 1, :], atoms[..., 2, :]
            next_n, next_ca = atoms[:, 1:, 0], atoms[:, 1:, 1]
            terms = {
                "C-N": (_distance(c[:, :-1], next_n) - _C_N) * linked,
                "CA-N": (_distance(ca[:, :-1], next_n) - _CA_N) * linked,
                "C-CA": (_distance(c[:, :-1], next_ca) - _C_CA) * linked,
                "CA-CA": (_distance(ca[:, :-1], next_ca) - ca_ca) * linked,
                "clash": (_NO_CLASH - _distance(ca[:, first], ca[:, second])).clamp(min=0) * apart,
            }
            energy = sum((terms[name] / spread).square().sum() for name, spread in _SPREADS.items())
            (energy + (motion * free).square().sum()).backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
    x, r = _moved(x0, r0, motion.detach() * free)
    is_movable = movable[..., None]
    return (
        torch.where(is_movable, (x / ANGSTROM_PER_NM).to(translations), translations),
        torch.where(is_movable[..., None], r.to(rotations), rotations),
    )


def _moved(x: Tensor, r: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    # in each residue's own axes, so that the outcome turns with the chain
    shift = (r @ motion[..., :3, None]).squeeze(-1)
    return x + _TRANSLATION * shift, r @ rotation_exp(_ROTATION * motion[..., 3:])


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b| with a finite derivative at 0, [*B] (Angstrom)."""
    return ((a - b).square().sum(-1) + 1e-6).sqrt()
