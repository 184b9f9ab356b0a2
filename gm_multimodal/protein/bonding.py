"""Hydrogen bonds of backbones as tensors: which there are, and how far a predicted backbone is from having them.

The bonds are those of `metrics.hydrogen_bonds` (Kabsch and Sander 1983), found for a whole batch of ideal backbones.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.protein.frames import ANGSTROM_PER_NM, carbonyl_oxygens
from gm_multimodal.protein.metrics.hydrogen_bonds import BOND, COUPLING, NEAR, NH_BOND, PROLINE

LONG_RANGE = 5
"""Residues along the chain beyond which a bond holds parts of a fold together, not a turn or a helix."""

_CLOSEST = 0.05  # nm; bounds what atoms that lie on each other are taken for


@final
@dataclass(frozen=True)
class Bonds:
    """Hydrogen bonds of a batch, side by side.

    Attributes:
        row: row of the batch, int64 [M].
        acceptor: residue whose O takes the hydrogen, int64 [M].
        donor: residue whose N gives it, int64 [M].
        distances: O-N, O-H, C-N, C-H, [M, 4] (nm).
    """

    row: Tensor
    acceptor: Tensor
    donor: Tensor
    distances: Tensor

    @property
    def is_long_range(self) -> Tensor:
        """Whether the residues are more than `LONG_RANGE` apart along the chain, bool [M]."""
        return (self.acceptor - self.donor).abs() > LONG_RANGE


def find_bonds(atoms: Tensor, sequence: Tensor, bonded: Tensor) -> Bonds:
    """Find the hydrogen bonds of backbones.

    Args:
        atoms: N, CA, C of consecutive residues, [B, N, 3 atoms, 3] (nm).
        sequence: residue types, int64 [B, N]; proline gives no hydrogen.
        bonded: whether a peptide bond leads from each residue to the next, bool [B, N - 1].
    """
    groups = _groups(atoms)
    end = torch.zeros_like(sequence[:, :1], dtype=torch.bool)
    accepts = torch.cat([bonded, end], 1)  # O is placed by the N that follows
    donates = torch.cat([end, bonded], 1) & (sequence != PROLINE)  # H is placed by the C=O before
    ca = atoms[..., 1, :]
    number = torch.arange(atoms.shape[1], device=atoms.device)
    step = number - number[:, None]
    may_bond = accepts[:, :, None] & donates[:, None] & (step != 0) & (step != 1)
    may_bond &= torch.cdist(ca, ca) < NEAR / ANGSTROM_PER_NM
    row, acceptor, donor = may_bond.nonzero(as_tuple=True)
    distances = _distances(groups, row, acceptor, donor)
    on, oh, cn, ch = (ANGSTROM_PER_NM * distances.clamp(min=_CLOSEST)).reciprocal().unbind(-1)
    is_bond = COUPLING * (on + ch - oh - cn) < BOND
    return Bonds(row[is_bond], acceptor[is_bond], donor[is_bond], distances[is_bond])


def bond_distances(atoms: Tensor, bonds: Bonds) -> Tensor:
    """Return O-N, O-H, C-N, C-H of the bonded pairs in other backbones [B, N, 3 atoms, 3], [M, 4] (nm)."""
    return _distances(_groups(atoms), bonds.row, bonds.acceptor, bonds.donor)


def _groups(atoms: Tensor) -> Tensor:
    """Return the four ends of possible bonds, O, C, N, H, [B, N, 4, 3]; the last O and the first H mean nothing."""
    n, c = atoms[..., 0, :], atoms[..., 2, :]
    o = torch.cat([carbonyl_oxygens(atoms), c[:, -1:]], 1)
    along = torch.nn.functional.normalize(c[:, :-1] - o[:, :-1], dim=-1)
    h = torch.cat([n[:, :1], n[:, 1:] + NH_BOND / ANGSTROM_PER_NM * along], 1)
    return torch.stack([o, c, n, h], 2)


def _distances(groups: Tensor, row: Tensor, acceptor: Tensor, donor: Tensor) -> Tensor:
    first, second = groups[row, acceptor], groups[row, donor]
    apart = first[:, :2, None] - second[:, None, 2:]  # [M, (O, C), (N, H), 3]
    return (apart.square().sum(-1) + 1e-6).sqrt().flatten(1)
