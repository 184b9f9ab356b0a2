"""What sites carry."""

import pytest
import torch

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.sites import Sites


def test_nothing_is_padding_where_all_are_present():
    sites = Sites.all_present(2, 3)
    assert sites.present.tolist() == [[True] * 3] * 2
    assert sites.context == {}


def test_what_is_learnt_later_replaces_what_was_known_and_leaves_the_rest():
    first = Sites.all_present(1, 2).knowing({"index": torch.tensor([[0, 1]]), "chain": torch.tensor([[0, 0]])})
    second = first.knowing({"chain": torch.tensor([[0, 1]])})
    assert second["index"] is first["index"] and second["chain"].tolist() == [[0, 1]]
    assert first["chain"].tolist() == [[0, 0]]


def test_a_move_takes_everything_along():
    moved = Sites.all_present(1, 2).knowing({"index": torch.tensor([[0, 1]])}).to(torch.device("meta"))
    assert moved.present.is_meta and moved["index"].is_meta


@pytest.mark.parametrize(
    ("context", "known"), [({}, "is nothing"), ({"index": torch.zeros(1, 2)}, "is 'index'")], ids=["none", "others"]
)
def test_a_network_that_reads_what_is_not_known_is_told_so(context, known):
    with pytest.raises(IncompatibleProcess, match=f"reads 'chain' of every site, but what is known of these.*{known}"):
        Sites.all_present(1, 2).knowing(context)["chain"]
