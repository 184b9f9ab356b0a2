"""The table of figures that each structure has on its own: what every column means, and the figures of one chain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, final

import numpy as np

from gm_multimodal import __version__
from gm_multimodal.protein.breaks import LONGEST_CA_CA, LONGEST_PEPTIDE_BOND
from gm_multimodal.protein.metrics import bonds, composition, contacts, geometry, ramachandran
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.metrics.p_sea import p_sea_shares
from gm_multimodal.protein.metrics.secondary_structure import Shares, shares
from gm_multimodal.protein.metrics.structure import Structure

Figures = Mapping[str, float | None]
"""Column name -> figure; None where it cannot be computed."""


@final
@dataclass(frozen=True)
class Group:
    """Columns that are computed together.

    Attributes:
        definitions: what each column means, in the order of the table.
        compute: gives the figures of one chain, in that order, or None where there are none.
        absent: why there may be none.
    """

    definitions: Mapping[str, Definition]
    compute: Callable[[Structure], tuple[float | None, ...] | None]
    absent: str = ""


def measure(structure: Structure) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the figures of one chain by column, and for each that is None the reason."""
    figures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for group in GROUPS:
        values = group.compute(structure) or (None,) * len(group.definitions)
        for column, value in zip(group.definitions, values, strict=True):
            figures[column] = value
            if value is None:
                reasons[column] = group.absent
    return figures, reasons


def definitions() -> dict[str, Definition]:
    """Return what each column means, in the order of the table."""
    return {column: definition for group in GROUPS for column, definition in group.definitions.items()}


def _ours(text: str, atoms: str = "", threshold: str = "") -> Definition:
    return Definition(text, "gm_multimodal", __version__, atoms, threshold)


def _biotite(text: str) -> Definition:
    return Definition(text, "biotite annotate_sse (P-SEA)", version("biotite"), "CA")


def _psea(structure: Structure) -> tuple[float, float, float]:
    return _three(p_sea_shares(structure.backbone.coordinates))


def _three(found: Shares) -> tuple[float, float, float]:
    return found.helix, found.strand, found.coil


def _ca_ca(structure: Structure) -> tuple[float] | None:
    distances = geometry.ca_ca_distances(structure.backbone.coordinates)[structure.bonded]
    return (float(np.mean(np.abs(distances - 3.8) <= 0.1)),) if len(distances) else None


def _compactness(structure: Structure) -> tuple[float, float]:
    coordinates = structure.backbone.coordinates
    return geometry.radius_of_gyration(coordinates), geometry.gyration_ratio(coordinates)


def _single(value: float | None) -> tuple[float | None]:
    return (value,)


_BOND: Final = f"C-N {LONGEST_PEPTIDE_BOND:g} A, CA-CA {LONGEST_CA_CA:g} A"
_NO_BOND: Final = "no two neighbouring residues"

GROUPS: Final = (
    Group(
        {"gaps": _ours("Places where the file lacks residues: numbers jump and no bond is there", "C, N, CA", _BOND)},
        lambda s: _single(float(np.sum(~s.bonded))),
    ),
    Group(
        {"ca_ca_valid": _ours("Share of consecutive CA-CA distances near 3.8 A, gaps left out", "CA", "3.8 +- 0.1 A")},
        _ca_ca,
        _NO_BOND,
    ),
    Group(
        {"peptide_valid": _ours("Share of peptide bonds of proper length", "C, N", "1.33 +- 0.1 A")},
        lambda s: _single(bonds.peptide_validity(s.backbone.coordinates, s.bonded)),
        _NO_BOND,
    ),
    Group(
        {
            "bond_angles_valid": _ours(
                "Share of the angles N-CA-C, CA-C-N and C-N-CA near 111.0, 117.2 and 121.7 degrees",
                "N, CA, C",
                "10 degrees",
            )
        },
        lambda s: _single(bonds.angle_validity(s.backbone.coordinates, s.bonded)),
    ),
    Group(
        {
            "omega_trans": _ours("Share of peptide bonds that are trans", "CA, C, N", "|omega| > 150 degrees"),
            "omega_cis": _ours("Share of peptide bonds that are cis", "CA, C, N", "|omega| < 30 degrees"),
        },
        lambda s: bonds.omega_shares(s.backbone.coordinates, s.bonded),
        _NO_BOND,
    ),
    Group(
        {
            "ramachandran_favoured": _ours(
                "Share of residues with phi and psi in the bins that hold 90 % of real residues of their kind "
                "(glycine, proline, before proline, the rest)",
                "N, CA, C",
                "10-degree bins",
            ),
            "ramachandran_allowed": _ours(
                "Share of residues with phi and psi in the bins that hold 98 % of real residues of their kind, "
                "favoured ones included",
                "N, CA, C",
                "10-degree bins",
            ),
        },
        lambda s: ramachandran.region_shares(s.torsions, s.backbone.tokens),
        "no residue between two neighbours",
    ),
    Group(
        {"clashes": _ours("Pairs of residues more than two apart whose CA nearly coincide", "CA", "3.0 A")},
        lambda s: _single(float(geometry.ca_clashes(s.backbone.coordinates))),
    ),
    Group(
        {
            "radius_of_gyration": _ours("Root mean square distance from the centroid, A", "CA"),
            "gyration_ratio": _ours("Radius of gyration over 2.2 L^0.38 A; near 1 for globular proteins", "CA"),
        },
        _compactness,
    ),
    Group(
        {
            "helix": _biotite("Share of residues in alpha helix by P-SEA"),
            "strand": _biotite("Share of residues in beta strand by P-SEA"),
            "coil": _biotite("Share of residues in neither"),
        },
        _psea,
    ),
    Group(
        {
            "dssp_helix": _ours("Share of residues in a helix (G, H, I) by hydrogen bonds (DSSP)", "N, CA, C, O"),
            "dssp_strand": _ours("Share of residues in a strand (E, B) by hydrogen bonds (DSSP)", "N, CA, C, O"),
            "dssp_coil": _ours("Share of residues in neither", "N, CA, C, O"),
        },
        lambda s: _three(shares(s.letters)),
    ),
    Group(
        {
            "contacts_per_residue": _ours(
                "Pairs of residues at least three apart with near CA, per residue", "CA", "8 A"
            ),
        },
        lambda s: _single(contacts.contacts_per_residue(s.backbone.coordinates)),
    ),
    Group(
        {"contact_order": _ours("Mean separation of contacts along the chain over its length", "CA", "8 A")},
        lambda s: _single(contacts.relative_contact_order(s.backbone.coordinates)),
        "no contact",
    ),
    Group(
        {"sequence_entropy": _ours("Entropy of the composition in bits; 4.32 at most")},
        lambda s: _single(composition.composition_entropy(s.backbone.tokens)),
    ),
    Group(
        {"low_complexity": _ours("Share of residues in a window of 12 of low entropy (SEG)", "", "2.2 bits")},
        lambda s: _single(composition.low_complexity_share(s.backbone.tokens)),
        "fewer than 12 residues",
    ),
    Group(
        {
            "confidence": Definition(
                "Confidence in the design, from designs.csv beside the file", "gm-multimodal design", "that of the run"
            )
        },
        lambda s: _single(s.confidence),
        "no designs.csv beside the file, or none for it",
    ),
)
"""All columns, in the order of the table."""
