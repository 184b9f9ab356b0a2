import numpy as np
import pytest
from biotite.sequence import ProteinSequence

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.residues import MASK, RESIDUES, THREE_LETTER, decode, encode


def test_names_are_those_of_biotite():
    assert [ProteinSequence.convert_letter_1to3(letter) for letter in RESIDUES] == list(THREE_LETTER)


def test_tokens_follow_the_order_of_the_letters():
    np.testing.assert_array_equal(encode(RESIDUES), np.arange(20))
    assert encode("").shape == (0,)


def test_decode_undoes_encode():
    assert decode(encode("MKVLAAGWY")) == "MKVLAAGWY"


def test_masked_residues_read_x():
    assert decode([0, MASK, 19]) == "AXY"


@pytest.mark.parametrize(("sequence", "position", "letter"), [("ACB", 3, "B"), ("AcD", 2, "c"), ("Aé", 2, "é")])
def test_unknown_letters_are_named_with_their_position(sequence, position, letter):
    with pytest.raises(UserInputError, match=f"residue {position} of the sequence is '{letter}'"):
        encode(sequence)
