import numpy as np
import pytest

from gm_multimodal.protein.breaks import bonded, chain_positions


def test_breaks_are_where_bonds_are_missing(build_backbone):
    helix = build_backbone(20, -57.0, -47.0)
    assert bonded(helix).all()
    assert np.flatnonzero(~bonded(np.delete(helix, [7, 8], 0))).tolist() == [6]
    unknown = helix.copy()
    unknown[5] = np.nan
    assert np.flatnonzero(~bonded(unknown)).tolist() == [4, 5]
    unknown = helix.copy()
    unknown[5, 1] = np.nan
    assert bonded(unknown).all()
    assert bonded(helix[:1]).shape == (0,)


def test_positions_follow_numbers_only_across_breaks():
    is_bonded = np.array([True, False, True, False])
    assert chain_positions(is_bonded, np.array([5, 6, 9, 10, 20])).tolist() == [0, 1, 4, 5, 15]
    assert chain_positions(is_bonded, np.array([5, 90, 91, 3, 2])).tolist() == [0, 1, 3, 4, 6]
    assert chain_positions(np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(("shift", "expected"), [(0.3, True), (0.6, False)])
def test_a_bond_is_neither_long_nor_between_distant_alpha_carbons(build_backbone, shift, expected):
    """Moved along C-N: at 0.3 Angstrom both distances pass, at 0.6 the alpha carbons lie 4.3 Angstrom apart."""
    chain = build_backbone(8, -120.0, 130.0)
    chain[4:] += shift * (chain[4, 1] - chain[3, 1]) / np.linalg.norm(chain[4, 1] - chain[3, 1])
    assert np.linalg.norm(chain[4, 0] - chain[3, 2]) < 2.0
    assert bonded(chain).tolist() == [True] * 3 + [expected] + [True] * 3
