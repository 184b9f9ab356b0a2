"""DSSP from hydrogen bonds: ideal helices, and the letters of the program for real chains."""

import numpy as np
import pandas as pd
import pytest

from gm_multimodal.protein.metrics.hydrogen_bonds import dssp, hydrogen_bonds
from gm_multimodal.protein.residues import encode

SUMMARY = {**dict.fromkeys("GHI", "H"), **dict.fromkeys("EB", "E")}


def every(chain) -> np.ndarray:
    return np.ones(len(chain) - 1, dtype=bool)


def letters(chain, sequence: str | None = None) -> str:
    return dssp(chain, encode(sequence or "A" * len(chain)), every(chain))


def test_an_ideal_alpha_helix_is_h_but_for_its_ends(build_backbone):
    assert letters(build_backbone(20, -57.0, -47.0)) == "C" + "H" * 18 + "C"


def test_an_ideal_3_10_helix_is_g(build_backbone):
    assert set(letters(build_backbone(20, -49.0, -26.0))[1:-1]) == {"G"}


def test_an_ideal_pi_helix_is_i(build_backbone):
    assert letters(build_backbone(20, -57.0, -70.0)).count("I") > 12


def test_a_lone_extended_chain_has_no_strand(build_backbone):
    assert set(letters(build_backbone(20, -120.0, 130.0))) == {"C"}


def test_proline_gives_no_bond(build_backbone):
    chain = build_backbone(20, -57.0, -47.0)
    bonds = hydrogen_bonds(chain, encode("A" * 10 + "P" + "A" * 9), every(chain))
    assert bonds[5, 9]
    assert not bonds[:, 10].any()


def test_a_gap_ends_a_helix(build_backbone):
    chain = build_backbone(20, -57.0, -47.0)
    whole = every(chain)
    whole[9] = False
    assert dssp(chain, encode("A" * 20), whole)[9:11] == "CC"


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_the_shortest_chains_have_letters(build_backbone, length):
    assert len(letters(build_backbone(length, -57.0, -47.0))) == length


def test_real_chains_have_the_letters_of_the_program(small_dataset):
    # the program saw the whole entry: strands whose partner lies in another chain are missing here
    same, summarised, count = 0, 0, 0
    for row in pd.read_parquet(small_dataset).itertuples():
        found = letters(row.coordinates.reshape(-1, 4, 3), row.sequence)
        same += sum(a == b for a, b in zip(found, row.dssp, strict=True))
        summarised += sum(SUMMARY.get(a, "C") == SUMMARY.get(b, "C") for a, b in zip(found, row.dssp, strict=True))
        count += row.length
    assert same / count > 0.95
    assert summarised / count > 0.96
