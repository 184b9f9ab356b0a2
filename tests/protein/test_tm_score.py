"""Laws of the TM-score, and agreement with figures of TM-align."""

import itertools

import numpy as np
import pandas as pd
import pytest

from gm_multimodal.protein.metrics.alignment import align
from gm_multimodal.protein.metrics.clusters import clusters_of, mean_pairwise, tm_clusters, tm_matrix
from gm_multimodal.protein.metrics.novelty import References, highest_tm
from gm_multimodal.protein.metrics.superposition import superpose
from gm_multimodal.protein.metrics.tm_score import paired_tm_score, tm_score, tm_score_blocks, tm_scores
from gm_multimodal.protein.metrics.tm_search import scale


def rotation(rng) -> np.ndarray:
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


@pytest.fixture(scope="module")
def chains(small_dataset) -> dict[str, np.ndarray]:
    table = pd.read_parquet(small_dataset)
    return {row.id: row.coordinates.reshape(-1, 4, 3) for row in table.itertuples()}


def test_superposition_restores_a_rigid_motion():
    rng = np.random.default_rng(0)
    x = 10 * rng.normal(size=(3, 15, 20))
    turns = np.stack([rotation(rng) for _ in range(20)], axis=-1)
    y = np.einsum("dcb,ckb->dkb", turns, x) + rng.normal(size=(3, 1, 20))
    motion = superpose(x, y, np.ones((15, 20)))
    assert np.allclose(motion.rotation, turns, atol=1e-8)
    assert np.allclose(motion.apply(x), y, atol=1e-8)


def test_superposition_never_reflects():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 8, 50))
    motion = superpose(x, x * np.array([1, 1, -1])[:, None, None], np.ones((8, 50)))
    assert np.allclose(np.linalg.det(motion.rotation.transpose(2, 0, 1)), 1.0)


def test_superposition_is_that_of_the_singular_value_decomposition():
    rng = np.random.default_rng(2)
    x, y, weights = rng.normal(size=(3, 12, 300)), rng.normal(size=(3, 12, 300)), rng.random((12, 300))
    shares = weights / weights.sum(axis=0)
    centred = [points - (points * shares).sum(axis=1, keepdims=True) for points in (x, y)]
    left, _, right = np.linalg.svd(np.einsum("ckb,dkb,kb->bcd", *centred, shares))
    right[:, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    assert np.allclose(superpose(x, y, weights).rotation, (left @ right).transpose(2, 1, 0), atol=1e-6)


@pytest.mark.parametrize("dimensions", [0, 1, 2])
def test_points_on_a_line_or_in_a_plane_are_superposed_as_well(dimensions):
    rng = np.random.default_rng(3)
    x = 10 * rng.normal(size=(3, 6, 40))
    x[dimensions:] = 0.0
    turns = np.stack([rotation(rng) for _ in range(40)], axis=-1)
    y = np.einsum("dcb,ckb->dkb", turns, x)
    motion = superpose(x, y, np.ones((6, 40)))
    assert np.allclose(motion.apply(x), y, atol=1e-4)
    assert np.allclose(np.linalg.det(motion.rotation.transpose(2, 0, 1)), 1.0)


def test_superposition_ignores_points_of_no_weight():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 10, 1))
    y = np.einsum("dc,ckb->dkb", rotation(rng), x)
    y[:, 5:] = 100 * rng.normal(size=(3, 5, 1))
    weights = (np.arange(10) < 5)[:, None].astype(float)
    assert np.allclose(superpose(x, y, weights).apply(x)[:, :5], y[:, :5], atol=1e-8)


def value(scores: np.ndarray, pairs: list[tuple[int, int]], cost: float) -> float:
    breaks = sum(b != (a[0] + 1, a[1] + 1) for a, b in itertools.pairwise(pairs))
    return sum(scores[pair] for pair in pairs) - cost * breaks


@pytest.mark.parametrize("cost", [0.0, 0.3, 0.6])
def test_alignment_finds_the_best_of_all_pairings(cost):
    rng = np.random.default_rng(3)
    scores = rng.random((40, 5, 4))
    diagonals = [[(i, d - i) for i in range(5) if 0 <= d - i < 4] for d in range(8)]
    antidiagonals = (np.stack([scores[:, i, j] for i, j in places]) for places in diagonals)
    for matrix, partners in zip(scores, align(antidiagonals, 5, 4, 40, cost).T, strict=True):
        found = [(i, int(j)) for i, j in enumerate(partners) if j >= 0]
        assert all(a[1] < b[1] for a, b in itertools.pairwise(found))
        best = max(
            value(matrix, list(zip(rows, columns, strict=True)), cost)
            for size in range(1, 5)
            for rows in itertools.combinations(range(5), size)
            for columns in itertools.combinations(range(4), size)
        )
        assert value(matrix, found, cost) == pytest.approx(best)


def test_scale_is_that_of_the_paper():
    assert scale([100, 15, 5]) == pytest.approx([1.24 * 85 ** (1 / 3) - 1.8, 0.5, 0.5], rel=1e-6)


def test_a_chain_has_tm_score_1_with_itself_wherever_it_lies(chains):
    rng = np.random.default_rng(4)
    for chain in list(chains.values())[:8]:
        moved = chain @ rotation(rng).T + 50 * rng.normal(size=3)
        assert tm_score(chain, moved) == pytest.approx(1.0, abs=1e-4)
        assert paired_tm_score(chain, moved) == pytest.approx(1.0, abs=1e-4)


def test_the_mirror_image_is_another_fold(chains):
    chain = chains["3op9_A_6"]
    assert tm_score(chain, chain * [1, 1, -1]) < 0.6


def test_rigid_motions_change_nothing(chains):
    rng = np.random.default_rng(5)
    names = list(chains)
    pairs = [(chains[a], chains[b]) for a, b in zip(names[:6], names[6:12], strict=True)]
    moved = [(a @ rotation(rng).T + 30 * rng.normal(size=3), b) for a, b in pairs]
    # single precision decides between seeds of nearly the same score
    assert tm_scores(moved) == pytest.approx(tm_scores(pairs), abs=0.02)


def test_scores_lie_between_0_and_1_and_know_their_length(chains):
    names = list(chains)
    pairs = [(chains[a], chains[b]) for a, b in zip(names[:10], names[10:20], strict=True)]
    scores = tm_scores(pairs)
    assert (scores > 0).all()
    assert (scores <= 1).all()
    # the same superposition divided by a greater length: the longer chain's score is the lower one, but for d0
    lengths = np.array([(len(a), len(b)) for a, b in pairs])
    longer = np.argmax(lengths, axis=1)
    differs = np.abs(lengths[:, 0] - lengths[:, 1]) > 5
    assert differs.any()
    assert (np.take_along_axis(scores, longer[:, None], 1) < np.take_along_axis(scores, 1 - longer[:, None], 1))[
        differs
    ].all()


def test_a_part_of_a_chain_is_found_in_it(chains):
    chain = chains["3op9_A_6"]
    part = chain[10:50]
    [[of_part, of_whole]] = tm_scores([(part, chain)])
    assert of_part == pytest.approx(1.0, abs=1e-3)
    assert of_whole == pytest.approx(40 / len(chain), abs=0.02)


def test_a_gap_does_not_hide_a_fold(chains):
    chain = chains["3w0e_A_1"]
    cut = np.concatenate([chain[:25], chain[31:]])
    assert tm_score(cut, chain) > 0.95


def test_the_score_of_pairs_is_at_most_that_of_a_free_pairing(chains):
    rng = np.random.default_rng(6)
    chain = chains["4kmf_A_1"]
    noisy = chain + rng.normal(scale=2.0, size=chain.shape)
    paired = paired_tm_score(chain, noisy)
    assert 0.4 < paired < 0.95
    assert tm_score(chain, noisy) > paired - 0.02


@pytest.mark.parametrize(("size", "other"), [(1, 1), (2, 30), (3, 3), (5, 60)])
def test_the_shortest_chains_have_a_score(chains, size, other):
    chain = chains["3op9_A_6"]
    assert 0.0 < tm_score(chain[:size], chain[:other]) <= 1.0


# TM-align 20190822 on the files of data/: normalised by the first and by the second
TM_ALIGN = {
    ("2zig_B_218", "3c4s_A_1"): (0.225, 0.261),
    ("2zig_B_218", "3op9_A_6"): (0.263, 0.284),
    ("2zig_B_218", "3w0e_A_1"): (0.310, 0.338),
    ("2zig_B_218", "4kmf_A_1"): (0.334, 0.394),
    ("3c4s_A_1", "3op9_A_6"): (0.263, 0.242),
    ("3c4s_A_1", "3w0e_A_1"): (0.242, 0.225),
    ("3c4s_A_1", "4kmf_A_1"): (0.274, 0.264),
    ("3op9_A_6", "3w0e_A_1"): (0.307, 0.311),
    ("3op9_A_6", "4kmf_A_1"): (0.352, 0.384),
    ("3w0e_A_1", "4kmf_A_1"): (0.397, 0.414),
}


@pytest.mark.parametrize("pair", TM_ALIGN, ids="-".join)
def test_it_finds_what_tm_align_finds(chains, pair):
    # both are lower bounds of the same maximum, from different first superpositions
    found = tm_scores([(chains[pair[0]], chains[pair[1]])])[0]
    assert found == pytest.approx(TM_ALIGN[pair], abs=0.04)


def test_order_and_company_change_nothing(chains):
    some = [*list(chains.values())[:5], next(iter(chains.values()))[:30]]
    pairs = list(itertools.combinations(some, 2))
    scores = tm_scores(pairs)
    blocks = list(tm_score_blocks(pairs, lambda function, tasks: reversed([(task, function(task)) for task in tasks])))
    assert len(blocks) > 1
    assert all(np.array_equal(found, scores[places]) for places, found in blocks)
    assert sorted(np.concatenate([places for places, _ in blocks]).tolist()) == list(range(len(pairs)))
    assert np.array_equal(tm_scores(pairs[::-1])[::-1], scores)
    assert np.array_equal([tm_scores([pair])[0] for pair in pairs], scores)


def test_clusters_hold_those_that_are_alike(chains):
    rng = np.random.default_rng(7)
    first, second = chains["3op9_A_6"], chains["3w0e_A_1"]
    noisy = [chain + rng.normal(scale=0.5, size=chain.shape) for chain in (first, second, first)]
    assert tm_clusters([second, *noisy, first]).tolist() == [1, 0, 1, 0, 0]


def test_clusters_of_a_matrix_are_greedy_and_numbered_by_size():
    alike = np.eye(5)
    for i, j in ((0, 1), (1, 2), (3, 4)):
        alike[i, j] = alike[j, i] = 0.7
    assert clusters_of(alike).tolist() == [0, 0, 0, 1, 1]
    assert clusters_of(alike, 0.8).tolist() == [0, 1, 2, 3, 4]


def test_two_identical_structures_are_one_cluster(chains):
    chain = chains["4kmf_A_1"]
    matrix = tm_matrix([chain, chain])
    assert matrix == pytest.approx(np.ones((2, 2)), abs=1e-4)
    assert clusters_of(matrix).tolist() == [0, 0]


def test_one_structure_is_its_own_cluster(chains):
    matrix = tm_matrix([chains["4kmf_A_1"]])
    assert clusters_of(matrix).tolist() == [0]
    assert mean_pairwise(matrix) is None


def test_the_most_similar_reference_is_found(chains):
    rng = np.random.default_rng(8)
    known = References.of(list(chains), list(chains.values()))
    chain = chains["3op9_A_6"]
    noisy = (chain + rng.normal(scale=0.7, size=chain.shape)) @ rotation(rng).T
    [found] = highest_tm([noisy], known, candidates=3)
    assert found.name == "3op9_A_6"
    assert found.tm > 0.8


def test_no_reference_of_the_length_is_no_figure(chains, build_backbone):
    known = References.of(list(chains), list(chains.values()))
    assert highest_tm([build_backbone(200, -57.0, -47.0)], known, candidates=3) == [None]


def test_more_candidates_never_find_less(chains):
    known = References.of(list(chains)[1:], list(chains.values())[1:])
    chain = next(iter(chains.values()))
    scores = [highest_tm([chain], known, candidates=count)[0].tm for count in (1, 4, 16)]
    assert scores[0] - 0.02 <= scores[1] <= scores[2] + 0.02
