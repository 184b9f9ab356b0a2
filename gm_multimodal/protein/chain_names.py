"""Chain names for the PDB format, which has room for one letter."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.backbone import Backbone, ResidueId
from gm_multimodal.protein.structure import CHAIN_NAMES


def one_letter_names(labels: Sequence[ResidueId]) -> dict[str, str]:
    """Return the letter of every chain: its name if that is one, otherwise the first that is free.

    Raises:
        UserInputError: There are more chains than letters and digits.
    """
    names = list(dict.fromkeys(label.chain for label in labels))
    if len(names) > len(CHAIN_NAMES):
        raise UserInputError(
            f"{len(names)} chains; PDB files, trajectories among them, name {len(CHAIN_NAMES)}: give format=cif "
            "without trajectories=true."
        )
    free = iter(name for name in CHAIN_NAMES if name not in names)
    return {name: name if len(name) == 1 else next(free) for name in names}


def renamed(backbone: Backbone, names: Mapping[str, str]) -> Backbone:
    """Return the same residues with other names of their chains."""
    if all(old == new for old, new in names.items()):
        return backbone
    return replace(backbone, labels=tuple(replace(label, chain=names[label.chain]) for label in backbone.names))
