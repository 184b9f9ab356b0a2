import numpy as np
import pandas as pd
import pytest

from gm_multimodal.protein.metrics.p_sea import annotate, p_sea_shares
from gm_multimodal.protein.structure import read_backbone


def dssp_shares(letters: str) -> tuple[float, float]:
    return sum(c in "HGI" for c in letters) / len(letters), sum(c in "EB" for c in letters) / len(letters)


def test_an_ideal_helix_is_helix(build_backbone):
    shares = p_sea_shares(build_backbone(40, -57.0, -47.0))
    assert shares.helix > 0.8
    assert shares.strand == 0.0


def test_an_extended_chain_is_no_helix(build_backbone):
    assert p_sea_shares(build_backbone(40, -120.0, 130.0)).helix == 0.0


@pytest.mark.parametrize("length", [1, 2, 4, 5])
def test_the_shortest_chains_are_coil(build_backbone, length):
    assert list(annotate(build_backbone(length, -57.0, -47.0))) == ["c"] * length


@pytest.mark.parametrize("name", ["2zig_B_218", "3c4s_A_1", "3op9_A_6", "3w0e_A_1", "4kmf_A_1"])
def test_real_chains_agree_with_dssp(data_folder, small_dataset, name):
    [chain] = read_backbone(data_folder / f"{name}.pdb")
    helix, strand = dssp_shares(pd.read_parquet(small_dataset).set_index("id").dssp[name])
    shares = p_sea_shares(chain.coordinates)
    assert shares.helix == pytest.approx(helix, abs=0.15)
    assert shares.strand == pytest.approx(strand, abs=0.15)
    assert shares.helix + shares.strand + shares.coil == pytest.approx(1.0)


def test_strands_are_found_more_sparingly_than_by_dssp(small_dataset):
    # the bias that the docstring states; a change of tool or version would show here
    chains = pd.read_parquet(small_dataset)
    shares = [p_sea_shares(xyz.reshape(-1, 4, 3)) for xyz in chains.coordinates]
    helix, strand = np.array([dssp_shares(letters) for letters in chains.dssp]).T
    assert -0.08 < np.mean([s.helix for s in shares] - helix) < 0.02
    assert -0.20 < np.mean([s.strand for s in shares] - strand) < -0.05
