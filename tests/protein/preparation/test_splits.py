import numpy as np
import pytest

from gm_multimodal.protein.preparation.splits import SPLITS, TRAIN, linked_clusters, split_clusters
from gm_multimodal.protein.residues import RESIDUES

SHARES = {"validation_share": 0.1, "test_share": 0.15}


def drawn(seed: int, clusters: int = 60) -> tuple[dict[int, int], dict[int, str]]:
    rng = np.random.default_rng(seed)
    sizes = {number: int(size) for number, size in enumerate(rng.geometric(0.3, clusters))}
    return sizes, {number: "".join(rng.choice([*RESIDUES], 20)) for number in sizes}


@pytest.mark.parametrize("seed", range(20))
def test_every_cluster_has_one_split_and_shares_are_met(seed):
    sizes, names = drawn(seed)
    split = split_clusters(sizes, names, **SHARES, seed=seed)
    assert set(split) == set(sizes)
    assert set(split.values()) == set(SPLITS)
    total = sum(sizes.values())
    for name, share in (("validation", 0.1), ("test", 0.15)):
        held = sum(sizes[number] for number in sizes if split[number] == name)
        assert share * total - max(sizes.values()) < held < share * total + 1


def test_the_split_follows_seed_and_names_and_not_numbers_or_order():
    sizes, names = drawn(0)
    split = split_clusters(sizes, names, **SHARES, seed=0)
    turned = {59 - number: sizes[number] for number in reversed(sizes)}
    again = split_clusters(turned, {59 - number: name for number, name in names.items()}, **SHARES, seed=0)
    assert {59 - number: name for number, name in again.items()} == split
    assert split_clusters(sizes, names, **SHARES, seed=1) != split


def test_one_more_cluster_moves_few_others():
    sizes, names = drawn(1)
    split = split_clusters(sizes, names, **SHARES, seed=0)
    more = split_clusters({**sizes, 60: 1}, {**names, 60: "ACDEF"}, **SHARES, seed=0)
    assert sum(split[number] != more[number] for number in sizes) <= 4


@pytest.mark.parametrize("sizes", [{0: 1}, {0: 5, 1: 1}, {0: 1, 1: 1, 2: 1}, {0: 100, 1: 100}])
def test_small_datasets_keep_something_to_train_on(sizes):
    split = split_clusters(sizes, {number: "AC" * (number + 1) for number in sizes}, **SHARES, seed=0)
    assert TRAIN in split.values()


def test_no_share_holds_nothing_out():
    sizes, names = drawn(2)
    assert set(split_clusters(sizes, names, validation_share=0, test_share=0, seed=0).values()) == {TRAIN}


def test_pieces_of_one_protein_are_linked():
    rng = np.random.default_rng(4)
    whole, other = ("".join(rng.choice([*RESIDUES], 200)) for _ in range(2))
    sequences = [whole[:120], other, whole[75:], whole[160:]]
    assert linked_clusters(sequences, [0, 1, 2, 3])[2] == 0  # 45 residues in common
    for start in range(20, 75):
        assert linked_clusters([whole[:120], whole[start:]], [0, 1]) == {0: 0, 1: 0}
    assert linked_clusters([whole[:100], whole[71:], other], [0, 1, 2]) == {0: 0, 1: 1, 2: 2}
