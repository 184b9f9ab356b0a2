"""Which residue types a design may have, and which it should rather have: one bias on the logits at every call."""

import dataclasses
import math
import re
from typing import Final

from gm_multimodal.errors import UserInputError
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.product import Product
from gm_multimodal.protein.factors import SEQUENCE
from gm_multimodal.protein.residues import RESIDUES

_TERM: Final = re.compile(r"(?P<letter>[A-Za-z]):(?P<bias>[-+]?(?:\d+\.?\d*|\.\d+))")


def residue_bias(omit: str | None, bias: str | None) -> tuple[float, ...]:
    """Return what is added to the logits of the twenty types; () for nothing.

    Args:
        omit: letters of types that never appear, such as `C` or `CM`.
        bias: additions to logits, such as `A:-0.5,K:0.3` (nat).

    Raises:
        UserInputError: A letter that is not one of the twenty, a bias that is not a number, or no type left.
    """
    values = dict.fromkeys(RESIDUES, 0.0)
    for term in filter(None, re.split(r"[,\s]+", bias or "")):
        match = _TERM.fullmatch(term)
        if match is None:
            raise UserInputError(f"bias={bias}: {term!r} is not a letter with a number: write bias=A:-0.5,K:0.3.")
        values[_known(match["letter"], f"bias={bias}")] = float(match["bias"])
    for letter in re.sub(r"[,\s]+", "", omit or ""):
        values[_known(letter, f"omit={omit}")] = -math.inf
    if all(value == -math.inf for value in values.values()):
        raise UserInputError(f"omit={omit} leaves no residue type: keep one at least.")
    return tuple(values.values()) if any(values.values()) else ()


def constrain(product: Product, bias: tuple[float, ...]) -> Product:
    """Return the product whose predictions of residue types are tilted by exp(bias); given residues keep their types.

    Raises:
        UserInputError: The checkpoint's sequence has no logits to add to.
    """
    if not bias:
        return product
    factor = product[SEQUENCE]
    posterior = factor.parameterization
    if not isinstance(posterior, CategoricalPosterior):
        raise UserInputError(f"omit and bias need logits of residue types; this checkpoint has {type(posterior)}.")
    tilted = dataclasses.replace(posterior, bias=bias)
    return {**product, SEQUENCE: dataclasses.replace(factor, parameterization=tilted)}


def _known(letter: str, option: str) -> str:
    if letter.upper() not in RESIDUES:
        raise UserInputError(f"{option}: {letter!r} is not a residue type; the twenty letters are {RESIDUES}.")
    return letter.upper()
