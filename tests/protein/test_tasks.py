"""Tasks: what is given, where the origin is, and that training shows what sampling asks for."""

from dataclasses import replace

import pytest
import torch

from gm_multimodal.networks.chain_context import INDEX
from gm_multimodal.noise import SharedNoise
from gm_multimodal.objective import corrupt
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import ProteinBatch, single_chain
from gm_multimodal.protein.blueprint import blank, to_known
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.soft_targets import SoftTargets
from gm_multimodal.protein.tasks import Curriculum, on_curve, place_origin, random_factors, random_subset
from gm_multimodal.spaces.rotations import rotation_log
from tests.networks.trunks import random_state
from tests.protein.products import protein_product

ROWS, SITES = 3, 8
PRODUCT = protein_product()


def batch_of(rows: int, sites: int, short: int = 0) -> ProteinBatch:
    """Random chains; the last `short` sites of row 0 are padding."""
    present = torch.ones(rows, sites, dtype=torch.bool)
    present[0, sites - short :] = False
    unknown = torch.full((rows, sites), UNKNOWN_SECONDARY)
    return ProteinBatch(random_state(rows, sites, torch.float32, types=19), single_chain(present), unknown)


def centroid(known: Known, where: torch.Tensor) -> torch.Tensor:
    x = known.values["translations"]
    return (x * where[..., None]).sum(1) / where.sum(1, keepdim=True)


def test_designing_from_nothing_gives_nothing():
    known, _ = to_known([blank(30)] * 2, PRODUCT, torch.device("cpu"))
    assert all(known.free(name).all() for name in PRODUCT)
    assert known.values["translations"].shape == (2, 30, 3)
    assert known.values["rotations"].shape == (2, 30, 3, 3)
    assert known.values["sequence"].dtype == torch.int64
    assert known.sites[INDEX][1].tolist() == list(range(30))


def known_of(batch: ProteinBatch, **given: torch.Tensor) -> Known:
    nothing = torch.zeros_like(batch.sites.present)
    return Known(batch.state, {name: given.get(name, nothing) for name in PRODUCT}, batch.sites)


def test_without_given_atoms_the_origin_is_the_centroid_of_all():
    known = place_origin(known_of(batch_of(ROWS, SITES, short=2)))
    assert centroid(known, known.sites.present).abs().max() < 1e-6


def test_with_given_atoms_the_origin_is_their_centroid():
    given = torch.zeros(ROWS, SITES, dtype=torch.bool)
    given[1, :3] = True
    before = known_of(batch_of(ROWS, SITES, short=2), translations=given)
    known = place_origin(before)
    assert centroid(known, given)[1].abs().max() < 1e-6
    assert centroid(known, known.sites.present)[1].abs().max() > 0.05
    assert centroid(known, known.sites.present)[[0, 2]].abs().max() < 1e-6
    shift = (known.values["translations"] - before.values["translations"])[1]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))


def test_given_rotations_or_letters_do_not_move_the_origin():
    everywhere = torch.ones(ROWS, SITES, dtype=torch.bool)
    known = place_origin(known_of(batch_of(ROWS, SITES), rotations=everywhere, sequence=everywhere))
    assert centroid(known, known.sites.present).abs().max() < 1e-6


def test_padding_keeps_its_place_and_does_not_count():
    batch = batch_of(ROWS, SITES, short=2)
    batch.state["translations"][0, -2:] = 100.0
    known = place_origin(known_of(batch))
    assert (known.values["translations"][0, -2:] == 100).all()
    assert centroid(known, known.sites.present).abs().max() < 1e-6


def draw(rows: int = 6000, sites: int = 24, **settings):
    return Curriculum(**settings).draw(batch_of(rows, sites, short=6), PRODUCT, SharedNoise.keyed(0))


def test_shares_of_the_curriculum():
    """6,000 rows: every share within 4 standard errors of what the configuration says."""
    known, times = draw(jitter=0.0)
    given = {name: (known.mask[name] | ~known.sites.present).all(-1) for name in PRODUCT}
    folds, inverse = given["sequence"], given["translations"] & given["rotations"]
    s = times["translations"][:, 0]
    assert torch.equal(PRODUCT["rotations"].clock(s), times["rotations"][:, 0])
    hidden = (times["sequence"] == 0).all(-1)
    apart = (times["sequence"][:, 0] != s) & ~hidden
    subset = sum((known.mask[name] & ~folds[:, None] & ~inverse[:, None]).any(-1) for name in PRODUCT) > 0
    rest = ~folds & ~inverse
    for found, share in ((folds, 0.1), (inverse, 0.1), (hidden, 0.25), (apart & rest, 0.2)):
        assert abs(float(found.float().mean()) - share) < 4 * (share * (1 - share) / 6000) ** 0.5
    # A given subset covers all factors in half of the cases, else each by a fair coin: none in an eighth of the rest.
    share = 0.2 * (1 - 0.5 / 8)
    assert abs(float(subset[rest].float().mean()) - share) < 4 * (share * (1 - share) / 4800) ** 0.5


def test_the_structure_has_any_time_while_the_sequence_is_hidden():
    """Times of the structure are uniform in these rows, too; given residues keep their types."""
    known, times = draw(jitter=0.0, hidden=1.0, folding=0.0, inverse_folding=0.0, independent=0.0)
    assert (times["sequence"] == 0).all()
    flat = (torch.arange(6000) + 0.5) / 6000
    assert (times["translations"][:, 0].sort().values - flat).abs().max() < 1.63 / 6000**0.5
    assert known.mask["sequence"].any(-1).float().mean() > 0.1
    assert (known.times(times)["sequence"][known.mask["sequence"]] == 1).all()


def test_given_structures_err_in_their_share_of_the_rows_and_no_others_do():
    """3,000 rows: half of the inverse folding ones are moved, by as much as they should be; the rest is as it was."""
    batch = batch_of(3000, 24)
    settings = {"inverse_folding": 0.5, "erring": 0.5, "folding": 0.1, "hidden": 0.1, "independent": 0.1}
    known, _ = Curriculum(**settings).draw(batch, PRODUCT, SharedNoise.keyed(0))
    clean = place_origin(Known(batch.state, known.mask, known.sites))
    moved = known.values["translations"] - clean.values["translations"]
    turned = rotation_log(clean.values["rotations"].mT @ known.values["rotations"])
    size = 10 * (moved - moved.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()  # Angstrom along each axis
    angle = torch.rad2deg(turned.square().sum(-1).mean(-1).sqrt())
    errs = angle > 0.1
    inverse = (known.mask["translations"] & known.mask["rotations"]).all(-1)
    assert not (errs & ~inverse).any()
    assert torch.equal(errs, size > 0.01)
    assert torch.equal(known.values["sequence"], batch.state["sequence"])
    assert abs(float(errs[inverse].float().mean()) - 0.5) < 4 * (0.25 / 1500) ** 0.5
    # 72 draws a row: the spread of a row's size about what was drawn for it is 8 %.
    for found, (low, high) in ((size, (0.1, 0.3)), (angle, (3.0, 5.0))):
        assert float(found[errs].mean()) == pytest.approx((low + high) / 2, rel=0.04)
        assert low * 0.7 < found[errs].min() < low * 1.1 and high * 0.9 < found[errs].max() < high * 1.35


@pytest.mark.parametrize("mistake", [{"hidden": 0.8}, {"erring": 1.5}, {"given": -0.1}, {"folding": float("nan")}])
def test_shares_that_are_none_are_refused(mistake):
    with pytest.raises(ValueError, match=next(iter(mistake))):
        Curriculum(**mistake)


def test_every_row_has_something_to_learn():
    known, _ = draw()
    free = torch.stack([known.free(name).any(-1) for name in PRODUCT])
    assert free.any(0).all()


def test_times_are_spread_over_the_whole_curve():
    """Sampling times are uniform before the jitter, and one for a whole row; n = 6,000."""
    _, times = draw(jitter=0.0)
    t = times["translations"]
    assert (t == t[:, :1]).all()
    flat = (torch.arange(6000) + 0.5) / 6000
    assert (t[:, 0].sort().values - flat).abs().max() < 1.63 / 6000**0.5
    for name in PRODUCT:
        assert ((times[name] >= 0) & (times[name] <= 1)).all()


def test_the_jitter_spreads_clocks_around_the_curve():
    """log s_factor / log s = gamma, log gamma of standard deviation .25, for each factor by itself."""
    _, times = draw(independent=0.0, jitter=0.25)
    a, b = times["translations"][:, 0].double().log(), times["sequence"][:, 0].double().log()
    spread = (a / b).log()
    generic = spread.isfinite()
    assert float(spread[generic].std()) == pytest.approx(0.25 * 2**0.5, rel=0.05)
    assert abs(float(spread[generic].mean())) < 0.02


def test_given_subsets_are_segments_of_limited_size():
    present = torch.ones(2000, 50, dtype=torch.bool)
    present[0, 20:] = False
    chosen = random_subset(present, SharedNoise.keyed(1))
    sizes = chosen.sum(-1)
    segments = (chosen & ~chosen.roll(1, 1)).sum(-1)
    assert sizes.min() >= 1
    assert sizes.max() <= 0.6 * 50 + 3
    assert set(segments.tolist()) == {1, 2, 3}
    assert not chosen[0, 20:].any()
    coverage = chosen[1:].float().mean(0)
    assert coverage.min() > 0.02  # no position is left out, the ends included
    assert (coverage - coverage.flip(0)).abs().max() < 4.5 * (2 * 0.19 / 2000) ** 0.5


def test_given_factors_cover_all_in_half_of_the_rows():
    taken = torch.stack(random_factors(8000, 3, SharedNoise.keyed(2))).squeeze(-1)
    assert abs(float(taken.all(0).float().mean()) - (0.5 + 0.5 / 8)) < 4 * (0.25 / 8000) ** 0.5
    assert (abs(taken.float().mean(-1) - 0.75) < 4 * (0.19 / 8000) ** 0.5).all()


def test_validation_stands_on_the_sampling_curve():
    batch = batch_of(ROWS, SITES, short=2)
    s = torch.tensor([0.1, 0.5, 0.9])
    known, times = on_curve(batch, PRODUCT, s, given=("sequence",))
    for name, factor in PRODUCT.items():
        assert torch.equal(times[name], factor.clock(s)[:, None].expand(ROWS, SITES))
        assert known.mask[name].all() == (name == "sequence")
    assert centroid(known, known.sites.present).abs().max() < 1e-6


def soft_batch(rows: int, sites: int) -> ProteinBatch:
    """Chains with three patterns each: nothing, a quarter and three quarters revealed; the last chain has none."""
    batch, noise = batch_of(rows, sites, short=0), SharedNoise.keyed(5)
    order = noise.uniform((rows, 1, sites)).argsort(-1)
    revealed = order < torch.tensor([0, sites // 4, 3 * sites // 4])[:, None]
    types = (noise.uniform((rows, 3, sites)) * 20).long()
    exists = torch.ones(rows, 3, dtype=torch.bool)
    exists[-1] = False
    law = torch.softmax(noise.normal((rows, 3, sites, 20)), -1)
    return replace(batch, soft=SoftTargets(exists, torch.where(revealed, types, MASK), law))


@pytest.fixture
def soft_task():
    """512 rows of 8 residues, and what the curriculum makes of them."""
    batch = soft_batch(512, SITES)
    return batch, *Curriculum().draw(batch, PRODUCT, SharedNoise.keyed(7))


def test_a_soft_row_is_noised_as_its_pattern_says_and_its_time_is_the_share_revealed(soft_task):
    batch, known, times = soft_task
    drawn = known.drawn["sequence"]
    is_soft = drawn.sites.all(-1)
    assert 0.4 < is_soft.float().mean() < 0.9
    state = corrupt(PRODUCT, known, known.times(times), SharedNoise.keyed(8))["sequence"]
    assert torch.equal(state[is_soft], drawn.points[is_soft])
    shown = (state != MASK).float().mean(-1)
    torch.testing.assert_close(times["sequence"][is_soft], shown[is_soft, None].expand(-1, SITES))
    matches = (batch.soft.context[is_soft] == state[is_soft, None]).all(-1)
    assert matches.any(-1).all()
    law = batch.soft.law[is_soft].gather(1, matches.int().argmax(-1)[:, None, None, None].expand(-1, 1, SITES, 20))
    hidden = state[is_soft] == MASK
    assert torch.equal(drawn.law[is_soft][hidden], law[:, 0][hidden])


def test_rows_without_a_pattern_and_rows_partly_given_are_learned_as_they_are(soft_task):
    batch, known, _ = soft_task
    drawn = known.drawn["sequence"]
    hard = ~drawn.sites.any(-1)
    assert hard[-1]
    assert (known.mask["sequence"].any(-1) <= hard).all()
    assert (drawn.law[hard].argmax(-1) == batch.state["sequence"][hard]).all()
    assert set(drawn.law[hard].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(known.values["sequence"], batch.state["sequence"])


def test_hidden_sequences_take_the_pattern_that_reveals_nothing_and_others_do_not():
    batch = soft_batch(512, SITES)
    for share, shown in ((1.0, {0.0}), (0.0, {0.25, 0.75})):
        curriculum = Curriculum(folding=0.0, inverse_folding=0.0, hidden=share, independent=0.0, given=0.0)
        known, times = curriculum.draw(batch, PRODUCT, SharedNoise.keyed(1))
        assert known.drawn["sequence"].sites[:-1].all()
        assert set(times["sequence"][:-1].unique().tolist()) == shown
        assert len(times["translations"].unique()) > 300


def test_on_the_curve_the_structure_is_where_the_sequence_is():
    plain = {"folding": 0.0, "inverse_folding": 0.0, "hidden": 0.0, "independent": 0.0, "given": 0.0, "jitter": 0.0}
    _, times = Curriculum(**plain).draw(soft_batch(64, SITES), PRODUCT, SharedNoise.keyed(1))
    torch.testing.assert_close(times["translations"][:-1], times["sequence"][:-1], atol=1e-6, rtol=0)
    _, apart = Curriculum(**plain | {"independent": 1.0}).draw(soft_batch(64, SITES), PRODUCT, SharedNoise.keyed(1))
    assert (apart["translations"] - apart["sequence"])[:-1].abs().mean() > 0.1


def test_without_soft_targets_nothing_was_drawn_beforehand():
    known, _ = Curriculum().draw(batch_of(ROWS, SITES), PRODUCT, SharedNoise.keyed(1))
    assert not known.drawn
