import numpy as np

from gm_multimodal.protein.breaks import chain_breaks, chain_positions


def test_breaks_are_where_bonds_are_missing(build_backbone):
    helix = build_backbone(20, -57.0, -47.0)
    assert not chain_breaks(helix).any()
    assert np.flatnonzero(chain_breaks(np.delete(helix, [7, 8], 0))).tolist() == [6]
    unknown = helix.copy()
    unknown[5] = np.nan
    assert np.flatnonzero(chain_breaks(unknown)).tolist() == [4, 5]
    assert chain_breaks(helix[:1]).shape == (0,)


def test_positions_follow_numbers_only_across_breaks():
    breaks = np.array([False, True, False, True])
    assert chain_positions(breaks, np.array([5, 6, 9, 10, 20])).tolist() == [0, 1, 4, 5, 15]
    assert chain_positions(breaks, np.array([5, 90, 91, 3, 2])).tolist() == [0, 1, 3, 4, 6]
