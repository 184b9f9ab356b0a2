import math

import pytest
import torch

from gm_multimodal.errors import UserInputError
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.protein.constraints import constrain, residue_bias
from gm_multimodal.protein.residues import RESIDUES
from gm_multimodal.spaces.categorical import MaskedCategorical
from tests.protein.products import protein_product


def test_omitted_types_and_biases():
    assert residue_bias(None, None) == ()
    assert residue_bias("", "") == ()
    bias = dict(zip(RESIDUES, residue_bias("c,M", "A:-0.5, k:0.3"), strict=True))
    assert {letter: value for letter, value in bias.items() if value} == {
        "C": -math.inf,
        "M": -math.inf,
        "A": -0.5,
        "K": 0.3,
    }


@pytest.mark.parametrize(
    ("omit", "bias", "message"),
    [
        ("CX", None, "'X' is not a residue type"),
        (None, "A=1", "'A=1' is not a letter with a number"),
        (None, "A:nan", "is not a letter with a number"),
        (None, "Z:1", "'Z' is not a residue type"),
        (RESIDUES, None, "leaves no residue type"),
    ],
)
def test_what_is_no_constraint_is_refused(omit, bias, message):
    with pytest.raises(UserInputError, match=message):
        residue_bias(omit, bias)


def test_a_bias_tilts_the_law_of_every_prediction():
    bias = residue_bias("C", "A:0.7")
    product, free = constrain(protein_product(), bias), protein_product()
    output = torch.randn(2, 5, 20, generator=torch.Generator().manual_seed(0))
    x, t = torch.full((2, 5), 20), torch.zeros(2, 5)
    tilted, plain = (p["sequence"].parameterization(output, x, t).mean() for p in (product, free))
    weight = plain * torch.tensor(bias).exp()
    torch.testing.assert_close(tilted, weight / weight.sum(-1, keepdim=True))
    assert (tilted[..., RESIDUES.index("C")] == 0).all()
    assert constrain(free, ()) is free


@pytest.mark.parametrize("bias", [(0.0,), (-math.inf,) * 20, (math.nan,) + (0.0,) * 19, (math.inf,) + (0.0,) * 19])
def test_a_bias_without_meaning_is_refused(bias):
    with pytest.raises(ValueError, match="bias"):
        CategoricalPosterior(MaskedCategorical(20), bias=bias)
