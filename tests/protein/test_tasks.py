"""Tasks: what is given, where the origin is, and that training shows what sampling asks for."""

import pytest
import torch

from gm_multimodal.noise import SharedNoise
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import ProteinBatch, single_chain
from gm_multimodal.protein.blueprint import blank, to_known
from gm_multimodal.protein.chains import UNKNOWN_SECONDARY
from gm_multimodal.protein.tasks import Curriculum, on_curve, place_origin, random_factors, random_subset
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
    known, context, _ = to_known([blank(30)] * 2, PRODUCT, torch.device("cpu"))
    assert all(known.free(name).all() for name in PRODUCT)
    assert known.values["translations"].shape == (2, 30, 3)
    assert known.values["rotations"].shape == (2, 30, 3, 3)
    assert known.values["sequence"].dtype == torch.int64
    assert context.index[1].tolist() == list(range(30))


def known_of(batch: ProteinBatch, **given: torch.Tensor) -> Known:
    nothing = torch.zeros_like(batch.context.present)
    return Known(batch.state, {name: given.get(name, nothing) for name in PRODUCT}, batch.context.present)


def test_without_given_atoms_the_origin_is_the_centroid_of_all():
    known = place_origin(known_of(batch_of(ROWS, SITES, short=2)))
    assert centroid(known, known.present).abs().max() < 1e-6


def test_with_given_atoms_the_origin_is_their_centroid():
    given = torch.zeros(ROWS, SITES, dtype=torch.bool)
    given[1, :3] = True
    before = known_of(batch_of(ROWS, SITES, short=2), translations=given)
    known = place_origin(before)
    assert centroid(known, given)[1].abs().max() < 1e-6
    assert centroid(known, known.present)[1].abs().max() > 0.05
    assert centroid(known, known.present)[[0, 2]].abs().max() < 1e-6
    shift = (known.values["translations"] - before.values["translations"])[1]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))


def test_given_rotations_or_letters_do_not_move_the_origin():
    everywhere = torch.ones(ROWS, SITES, dtype=torch.bool)
    known = place_origin(known_of(batch_of(ROWS, SITES), rotations=everywhere, sequence=everywhere))
    assert centroid(known, known.present).abs().max() < 1e-6


def test_padding_keeps_its_place_and_does_not_count():
    batch = batch_of(ROWS, SITES, short=2)
    batch.state["translations"][0, -2:] = 100.0
    known = place_origin(known_of(batch))
    assert (known.values["translations"][0, -2:] == 100).all()
    assert centroid(known, known.present).abs().max() < 1e-6


def draw(rows: int = 6000, sites: int = 24, **settings):
    return Curriculum(**settings).draw(batch_of(rows, sites, short=6), PRODUCT, SharedNoise.keyed(0))


def test_shares_of_the_curriculum():
    """6,000 rows: every share within 4 standard errors of what the configuration says."""
    known, times = draw(jitter=0.0)
    given = {name: (known.mask[name] | ~known.present).all(-1) for name in PRODUCT}
    folds, inverse = given["sequence"], given["translations"] & given["rotations"]
    s = times["translations"][:, 0]
    assert torch.equal(PRODUCT["rotations"].clock(s), times["rotations"][:, 0])
    apart = times["sequence"][:, 0] != s
    subset = sum((known.mask[name] & ~folds[:, None] & ~inverse[:, None]).any(-1) for name in PRODUCT) > 0
    rest = ~folds & ~inverse
    for found, share in ((folds, 0.1), (inverse, 0.1), (apart & rest, 0.3)):
        assert abs(float(found.float().mean()) - share) < 4 * (share * (1 - share) / 6000) ** 0.5
    # A given subset covers all factors in half of the cases, else each by a fair coin: none in an eighth of the rest.
    share = 0.2 * (1 - 0.5 / 8)
    assert abs(float(subset[rest].float().mean()) - share) < 4 * (share * (1 - share) / 4800) ** 0.5


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
    assert centroid(known, known.present).abs().max() < 1e-6
