"""Cuts of chains for the dataset of `base`: counted by hand, and on a chain that is two real domains and a linker."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "training"))

from base_dataset import SCHEMA, Cutter, hundredths
from chain_parts import domains, halves
from dataset_file import write_dataset

from gm_multimodal.protein.dataset import backbone_of, read_chains

LINKER = 8


def pairs(length: int, *blocks: tuple[int, int]) -> np.ndarray:
    """All pairs three or more apart within stretches of a chain."""
    block = np.zeros((length, length), dtype=bool)
    for start, stop in blocks:
        block[start:stop, start:stop] = True
    i = np.arange(length)
    return block & (np.abs(i[:, None] - i) >= 3)


def test_domains_are_the_blocks_of_the_contact_map():
    contacts, none = pairs(100, (0, 45), (50, 100)), np.zeros((100, 100), dtype=bool)
    found = domains(contacts, none, 40, 60)
    # residues without contacts may go with either
    assert 45 <= found[0][0] <= 50 and found[0][1] == 100
    first = next((start, stop) for start, stop in found if stop <= 50)
    assert first[0] == 0 and 45 <= first[1] <= 50
    assert domains(pairs(100, (0, 100)), none, 40, 60) == []


def test_a_sheet_is_not_cut():
    contacts, bridges = pairs(100, (0, 45), (50, 100)), np.zeros((100, 100), dtype=bool)
    bridges[10, 20] = bridges[20, 10] = bridges[30, 80] = bridges[80, 30] = True
    assert domains(contacts, bridges, 44, 60) == []


def test_shares_of_crossing_contacts_are_those_of_counting():
    rng = np.random.default_rng(0)
    contacts = rng.random((60, 60)) < 0.02 + 0.5 * pairs(60, (0, 25), (28, 60))
    contacts = np.triu(contacts, 3) | np.triu(contacts, 3).T
    found = set(domains(contacts, np.zeros((60, 60), dtype=bool), 20, 40))
    for start in range(60):
        for stop in range(start + 20, min(61, start + 41)):
            inside = np.zeros(60, dtype=bool)
            inside[start:stop] = True
            within, crossing = contacts[inside][:, inside].sum() / 2, contacts[inside][:, ~inside].sum()
            assert ((start, stop) in found) == (crossing < 0.1 * (within + crossing)), (start, stop)


def test_halves_touch_without_sharing_a_core_or_a_sheet():
    contacts, bridges = pairs(100, (0, 45), (50, 100)), np.zeros((100, 100), dtype=bool)
    assert (45, 50) not in halves(contacts, bridges, 30)
    contacts[:4, 60:63] = contacts[60:63, :4] = True
    assert (45, 50) in halves(contacts, bridges, 30)
    bridges[0, 60] = bridges[60, 0] = True
    assert (45, 50) not in halves(contacts, bridges, 30)
    bridges[0, 60] = bridges[60, 0] = False
    contacts[:20, 50:70] = contacts[50:70, :20] = True
    assert (45, 50) not in halves(contacts, bridges, 30)


@pytest.fixture
def chain(small_dataset) -> SimpleNamespace:
    """A small barrel, its copy beside it, and a linker in a line between them."""
    row = pd.read_parquet(small_dataset).set_index("id").loc["3c4s_A_1"]
    first = backbone_of(row.coordinates)
    second = first + np.array([0.0, 0.0, np.ptp(first[:, 1, 2]) + 3.0])
    share = np.linspace(0, 1, LINKER + 2)[1:-1, None, None]
    linker = first[-1] * (1 - share) + second[0] * share
    xyz = np.concatenate([first, linker, second]).astype(np.float32)
    for k in range(len(first), len(first) + LINKER + 1):  # a peptide bond to every residue of the linker
        onwards = xyz[k, 1] - xyz[k - 1, 2]
        xyz[k, 0] = xyz[k - 1, 2] + 1.33 * onwards / np.linalg.norm(onwards)
    sequence = row.sequence + "G" * LINKER + row.sequence
    fixed = {"source": "made", "first_residue": 5, "cluster30": 3, "split": "train"}
    return SimpleNamespace(id="2x3c", sequence=sequence, length=len(sequence), coordinates=xyz.ravel(), **fixed)


def cutter(**changes: float) -> Cutter:
    sizes = {"shortest": 40, "shortest_half": 30, "longest": 256, "longest_domain": 192}
    return Cutter(**sizes | {"gyration_ratio": 1.5, "coil": 0.7} | changes)


def test_a_chain_of_two_domains_gives_itself_both_domains_and_a_row_of_two_chains(chain, tmp_path):
    made = list(cutter(longest_domain=70).rows(chain))
    assert [kind for kind, _ in made] == ["whole", "domain", "domain", "two chains"]
    table = pa.Table.from_pylist([row for _, row in made], schema=SCHEMA)
    write_dataset(table, tmp_path / "made.parquet")
    assert pq.read_table(tmp_path / "made.parquet").equals(table)
    chains = read_chains(tmp_path / "made.parquet", split="train", min_length=1, max_length=1000)
    by_kind = dict(zip([kind for kind, _ in made], chains.rows, strict=True))
    two = by_kind["two chains"]
    assert sorted(set(two.backbone.chain.tolist())) == [0, 1]
    assert all(55 <= (two.backbone.chain == k).sum() <= 63 for k in (0, 1))
    assert 2 <= chain.length - len(two) <= 20
    moved = (
        two.backbone.coordinates[two.backbone.chain == 0]
        - backbone_of(chain.coordinates)[: (two.backbone.chain == 0).sum()]
    )
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0, 0], moved.shape), atol=0.011)
    for _, row in made[1:3]:
        assert 50 <= row["length"] <= 66
        assert row["first_residue"] - 5 == int(row["id"].split("_")[1])


def test_labels_are_of_what_the_row_holds(chain):
    whole = cutter(longest_domain=70)
    assert "E" in whole.row(chain, [(0, 57)])["dssp"]
    # the strands of one half of a barrel have lost their partners
    lone = cutter(shortest=10, coil=1.0, gyration_ratio=9.0).row(chain, [(0, 14)])
    assert lone["dssp"].count("E") == 0 < whole.row(chain, [(0, 57)])["dssp"][:14].count("E")


def test_held_out_chains_stay_whole(chain):
    chain.split = "validation"
    assert [kind for kind, _ in cutter(longest_domain=70).rows(chain)] == ["held out"]
    assert list(cutter(longest_domain=70, gyration_ratio=1.0).rows(chain)) == []


def test_coordinates_keep_a_hundredth_of_an_angstrom(chain):
    xyz = backbone_of(chain.coordinates)
    back = backbone_of(hundredths(xyz + np.float32(1000.0)).ravel())
    np.testing.assert_allclose(back - back[0, 0], xyz - xyz[0, 0], atol=0.0101)
