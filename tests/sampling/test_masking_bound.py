"""The bound of the masking process, where it is tight: a model that knows every conditional of a joint law."""

import itertools

import pytest
import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.noise import SharedNoise
from gm_multimodal.product import Known
from gm_multimodal.protein.batch import single_chain
from gm_multimodal.sampling.masking_bound import MaskingTerms, masking_terms
from gm_multimodal.sites import Sites
from tests.protein.products import protein_product

SITES, TYPES, MASK = 3, 20, 20
FRAMES = ("translations", "rotations")


class Conditionals:
    """P(z_i | the sites that show themselves) under a joint law of three sites with few states each."""

    def __init__(self, joint: Tensor) -> None:
        self.joint, self.seen = joint, []

    def __call__(self, state, times, sites, previous):
        self.seen.append((state, times, previous))
        rows = [self._logits(tokens) for tokens in state["sequence"]]
        return {"sequence": torch.stack(rows), "translations": state["translations"], "rotations": torch.zeros(1, 4)}

    def _logits(self, tokens: Tensor) -> Tensor:
        p = self.joint
        for site, token in enumerate(tokens.tolist()):
            if token != MASK:
                p = p.index_select(site, torch.tensor([token])).expand(self.joint.shape)
        logits = torch.full((SITES, TYPES), -30.0)
        for site in range(SITES):
            others = [k for k in range(SITES) if k != site]
            logits[site, : p.shape[site]] = p.sum(others).log()
        return logits


def terms(network, z: list[int], rows: int, given=(), frames: bool = True, seed: int = 0) -> MaskingTerms:
    product = protein_product()
    present = torch.ones(rows, SITES, dtype=torch.bool)
    mask = torch.zeros(SITES, dtype=torch.bool)
    mask[list(given)] = True
    values = {
        "translations": torch.zeros(rows, SITES, 3),
        "rotations": torch.eye(3).expand(rows, SITES, 3, 3),
        "sequence": torch.tensor(z).expand(rows, -1),
    }
    given = {name: present & frames for name in FRAMES} | {"sequence": mask.expand(rows, -1)}
    known = Known(values, given, single_chain(present))

    def call(state, times, sites, previous):
        output = network(state, times, sites, previous)
        return {**output, "rotations": torch.zeros(rows, SITES, 4)}

    noise = SharedNoise(torch.Generator().manual_seed(seed))
    return masking_terms(call, product, known, "sequence", noise)


@pytest.fixture(scope="module")
def joint() -> Tensor:
    return torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(1)).square().add(0.01).div_(4.0)


@pytest.mark.parametrize("z", [[0, 2, 1], [1, 0, 0]], ids=str)
def test_exact_conditionals_make_the_bound_tight(joint, z):
    """2,000 draws with a standard error below 0.03 nat."""
    joint = joint / joint.sum()
    totals = terms(Conditionals(joint), z, 2000).totals
    error = totals.std() / len(totals) ** 0.5
    assert error < 0.03
    assert abs(totals.mean() + joint[tuple(z)].log()) < 4 * error


def test_a_model_that_ignores_what_it_sees_pays_for_every_site(joint):
    """Independent sites: the bound is the sum of the marginal losses, and so are the parts of the sites."""
    joint = joint / joint.sum()
    z = [0, 2, 1]
    marginals = [joint.sum([k for k in range(SITES) if k != site]) for site in range(SITES)]
    independent = torch.einsum("a,b,c->abc", *marginals)
    found = terms(Conditionals(independent), z, 8)
    losses = torch.stack([-marginals[site][z[site]].log() for site in range(SITES)])
    torch.testing.assert_close(found.per_site, losses)
    many = terms(Conditionals(independent), z, 2000).totals
    assert abs(many.mean() - losses.sum()) < 4 * many.std() / len(many) ** 0.5


def test_given_sites_are_shown_and_cost_nothing(joint):
    joint = joint / joint.sum()
    network = Conditionals(joint)
    found = terms(network, [0, 2, 1], 2000, given=[1])
    assert (found.weights[:, 1] == 0).all() and found.losses[:, 1].eq(0).all()
    expected = -(joint[0, 2, 1] / joint[:, 2, :].sum()).log()
    error = found.totals.std() / len(found.totals) ** 0.5
    assert abs(found.totals.mean() - expected) < 4 * error
    state, times, _ = network.seen[-1]
    assert (state["sequence"][:, 1] == 2).all() and (times["sequence"][:, 1] == 1).all()


def test_where_every_site_is_given_the_bound_is_0(joint):
    found = terms(Conditionals(joint / joint.sum()), [0, 2, 1], 5, given=[0, 1, 2])
    assert torch.equal(found.weights, torch.zeros(5, SITES))
    assert torch.equal(found.totals, torch.zeros(5))


@pytest.mark.parametrize("frames", [True, False], ids=["given", "unknown"])
def test_the_network_sees_times_that_fit_the_masks(joint, frames):
    """Given m masked sites of 3, t is the m-th from the end of 3 uniform times: mean 1 - m / 4."""
    network = Conditionals(joint)
    terms(network, [0, 0, 0], 3000, frames=frames)
    state, times, previous = network.seen[-1]
    assert previous is None
    assert all((times[name] == float(frames)).all() for name in FRAMES)
    masked = (state["sequence"] == MASK).sum(-1)
    for m, t in itertools.product(range(1, 4), [times["sequence"][:, 0]]):
        chosen = t[masked == m]
        assert len(chosen) == pytest.approx(1000, abs=1)
        # the standard deviation of a uniform time is at most 0.29
        assert chosen.mean().item() == pytest.approx(1 - m / 4, abs=4 * 0.29 / 1000**0.5)


def test_a_factor_without_a_mask_is_refused():
    product = protein_product()
    known = Known({}, {}, Sites.all_present(1, SITES))
    noise = SharedNoise(torch.Generator().manual_seed(0))
    with pytest.raises(IncompatibleProcess, match="translations"):
        masking_terms(None, product, known, "translations", noise)
