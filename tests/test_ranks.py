"""Rows dealt out to ranks, and sums that have the same bits in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thread_ranks import on_ranks

from rtsep.errors import AudioError
from rtsep.sparse.atoms import add_over_ranks, batch_statistics
from rtsep.sparse.ranks import ONE_RANK, Shard, in_steps


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(1, 5))
def test_the_shards_of_all_ranks_together_hold_each_row_once(sizes: list[int], n_ranks: int) -> None:
    parts = np.arange(len(sizes))
    shards = [Shard.of_parts(np.array(sizes), parts[rank::n_ranks], ONE_RANK) for rank in range(n_ranks)]
    assert {shard.total for shard in shards} == {sum(sizes)}
    numbers = np.concatenate([shard.numbers for shard in shards])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(sum(sizes)))
    for shard in shards:
        assert (np.diff(shard.numbers) > 0).all()
    of_part = np.repeat(parts, sizes)
    assert all((of_part[shard.numbers] % n_ranks == rank).all() for rank, shard in enumerate(shards))


@given(st.integers(1, 4), st.integers(0, 12), st.data())
def test_wanted_rows_are_found_and_gathered_wherever_they_are(n_ranks: int, total: int, data: st.DataObject) -> None:
    rows = np.arange(total, dtype=np.float32)[:, None] + np.float32([0, 0.5])
    owner = np.array(data.draw(st.lists(st.integers(0, n_ranks - 1), min_size=total, max_size=total)), int)
    wanted = np.array(data.draw(st.permutations(range(total))), np.int64)[: data.draw(st.integers(0, total))]

    def task(ranks):
        shard = Shard(np.flatnonzero(owner == ranks.rank), total, ranks)
        own = rows[shard.numbers]
        places, here = shard.held(wanted)
        np.testing.assert_array_equal(own[places], rows[wanted[here]])
        part, kept = shard.choose(np.sort(wanted))
        np.testing.assert_array_equal(own[kept], rows[np.sort(wanted)][part.numbers])
        assert part.total == len(wanted)
        return shard.gather(own, wanted)

    for gathered in on_ranks(n_ranks, task):
        np.testing.assert_array_equal(gathered, rows[wanted])


def test_all_rows_on_one_rank() -> None:
    rows = np.random.default_rng(0).random((5, 3), np.float32)
    shard = Shard.whole(5)
    np.testing.assert_array_equal(shard.gather(rows, np.array([4, 0])), rows[[4, 0]])


@pytest.mark.parametrize("n_rows", [1, 512, 4096])
def test_sums_of_products_have_the_same_bits_however_the_rows_are_dealt_out(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    codes = in_steps((rng.random((n_rows, 12)) * (rng.random((n_rows, 12)) < 0.4)).astype(np.float32))
    patches = in_steps(rng.random((n_rows, 7), np.float32))
    whole = batch_statistics(codes, patches)
    exact = (codes.astype(object) * 2**20).T @ (patches.astype(object) * 2**20)  # integers of any length
    assert (whole.code_patch * 2**40 == exact.astype(np.float64)).all()
    order = rng.permutation(n_rows)
    for n_ranks in (2, 3):

        def task(ranks, n_ranks=n_ranks):
            own = order[ranks.rank :: n_ranks]
            part = batch_statistics(codes[own], patches[own])
            add_over_ranks(part, ranks)
            return part

        for part in on_ranks(n_ranks, task):
            np.testing.assert_array_equal(part.code_gram, whole.code_gram)
            np.testing.assert_array_equal(part.code_patch, whole.code_patch)


def test_plain_numbers_would_not_have_the_same_bits() -> None:
    """What the steps are for: without them the order of a sum shows."""
    rng = np.random.default_rng(0)
    values = rng.random(4096, np.float32)
    orders = [rng.permutation(4096) for _ in range(20)]
    products, stepped = (v.astype(np.float64) ** 2 for v in (values, in_steps(values)))
    assert len({products[order].cumsum()[-1] for order in orders}) > 1
    assert len({stepped[order].cumsum()[-1] for order in orders}) == 1
    assert np.abs(stepped - products).max() <= 2.0**-19


def test_what_one_rank_cannot_do_is_told_to_all() -> None:
    def task(ranks):
        def part() -> int:
            if ranks.rank == 1:
                raise AudioError("song: is damaged; fetch it again")
            return ranks.rank

        with pytest.raises(AudioError, match="damaged"):
            ranks.together(part)
        return ranks.together(lambda: ranks.rank)

    assert on_ranks(3, task) == [0, 1, 2]
    assert ONE_RANK.together(lambda: 7) == 7
