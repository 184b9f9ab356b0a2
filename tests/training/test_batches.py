"""Batches: all data once an epoch, shared out among processes."""

from itertools import chain

import pytest

from gm_multimodal.training.batches import Share, Shuffled


@pytest.mark.parametrize(("processes", "accumulated"), [(2, 1), (3, 1), (7, 1), (2, 3)])
def test_processes_take_equally_many_batches_and_together_all_of_them(processes, accumulated):
    whole = [[2 * i, 2 * i + 1] for i in range(41)]
    shares = [Share(rank, processes, accumulated).of(whole) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert len(shares[0]) % accumulated == 0
    assert {tuple(batch) for share in shares for batch in share} == {tuple(batch) for batch in whole}
    # the fewest repeats that make whole steps
    assert sum(map(len, shares)) - len(whole) < processes * accumulated


@pytest.mark.parametrize("number", [1, 5, 17])
@pytest.mark.parametrize(("processes", "accumulated"), [(6, 1), (3, 2), (2, 3)])
def test_a_step_sees_the_same_batches_however_many_processes_share_it(number, processes, accumulated):
    batches = [[i] for i in range(number)]
    alone = Share(accumulated=6).of(batches)
    shares = [Share(rank, processes, accumulated) for rank in range(processes)]
    together = {share.place(k): batch for share in shares for k, batch in enumerate(share.of(batches))}
    assert [together[place] for place in sorted(together)] == alone
    # Places within a step are numbers 0 to 5, the keys of the noise.
    assert sorted(share.place(k % accumulated) for share in shares for k in range(accumulated)) == list(range(6))


def test_an_epoch_shows_everything_once_in_an_order_of_its_own():
    batches = Shuffled(count=50, size=8, seed=3)
    first, second = (list(chain(*batches.epoch(number))) for number in (0, 1))
    assert len(first) == len(set(first)) == 48
    assert first != second and first == list(chain(*batches.epoch(0)))
    assert first != list(chain(*Shuffled(count=50, size=8, seed=4).epoch(0)))
