"""The schedule: every chunk once, in order, to the least loaded, and never too far ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsep.engine.schedule import Pace, least_loaded, run_in_order
from rtsep.engine.stock import Plan, make_plan, run_length
from rtsep.types import Chunk, ChunkResult, ChunkShape

SAMPLES = np.zeros((1, 1), np.float32)
STEMS = np.zeros((1, 1, 1), np.float32)


class Worker:
    """Finishes the chunks that it was handed in their order, each after its own number of looks."""

    def __init__(self, rank: int, room: int, looks: list[int]) -> None:
        self.rank = rank
        self.room = room
        self._looks = looks
        self._held: deque[list[int]] = deque()

    @property
    def load(self) -> int:
        return len(self._held)

    def hand(self, chunk: Chunk) -> None:
        assert self.load < self.room
        self._held.append([chunk.index, self._looks[chunk.index % len(self._looks)]])

    def collect(self) -> ChunkResult | None:
        if not self._held:
            return None
        self._held[0][1] -= 1
        if self._held[0][1] > 0:
            return None
        return ChunkResult(self._held.popleft()[0], STEMS, self.rank, 0.0)

    def give_up(self) -> list[int]:
        return []


class Mortal(Worker):
    """Dies after so many looks: what it holds is lost, and it takes nothing more."""

    def __init__(self, rank: int, room: int, looks: list[int], life: int) -> None:
        super().__init__(rank, room, looks)
        self._life = life

    def collect(self) -> ChunkResult | None:
        self._life -= 1
        if self._life <= 0:
            self.room = 0
            return None
        return super().collect()

    def give_up(self) -> list[int]:
        if self._life > 0:
            return []
        lost = [index for index, _ in self._held]
        self._held.clear()
        return lost


def chunks(n: int, taken: list[int]) -> Iterator[Chunk]:
    for index in range(n):
        taken.append(index)
        yield Chunk(index, SAMPLES)


crews = st.lists(
    st.tuples(st.integers(1, 3), st.lists(st.integers(1, 9), min_size=1, max_size=5)), min_size=1, max_size=6
)


@given(crews, st.integers(0, 40), st.integers(1, 20), st.integers(1, 6))
def test_results_come_once_in_order_and_within_the_window(
    crew: list[tuple[int, list[int]]], n_chunks: int, window: int, run: int
) -> None:
    workers = [Worker(rank, room, looks) for rank, (room, looks) in enumerate(crew)]
    taken: list[int] = []
    given_out = 0
    for result in run_in_order(workers, chunks(n_chunks, taken), Plan(window, run), lambda: None):
        assert result.index == given_out
        given_out += 1
        assert len(taken) <= given_out + window
    assert given_out == n_chunks


lives = st.lists(st.integers(1, 60), max_size=6)


@given(crews, lives, st.integers(0, 40), st.integers(1, 20), st.integers(1, 6))
def test_what_dead_workers_held_others_compute(
    crew: list[tuple[int, list[int]]], lives: list[int], n_chunks: int, window: int, run: int
) -> None:
    workers = [Worker(rank, room, looks) for rank, (room, looks) in enumerate(crew)]
    mortals = [Mortal(-1 - rank, 2, [3], life) for rank, life in enumerate(lives)]
    taken: list[int] = []
    results = list(run_in_order([*mortals, *workers], chunks(n_chunks, taken), Plan(window, run), lambda: None))
    assert [result.index for result in results] == list(range(n_chunks))
    assert taken == list(range(n_chunks))


def test_a_source_may_have_nothing_for_now() -> None:
    """Two chunks, each after three times nothing: the worker is looked at in between."""
    source = [None, None, None, Chunk(0, SAMPLES), None, None, None, Chunk(1, SAMPLES)]
    rests = []
    results = list(run_in_order([Worker(0, 1, [1])], iter(source), Plan(9, 1), lambda: rests.append(None)))
    assert [result.index for result in results] == [0, 1]
    assert len(rests) == 5  # not where a result came in


def test_too_long_is_twenty_medians_but_never_less_than_was_said() -> None:
    pace = Pace(5.0)
    assert pace.too_long == 5.0
    for seconds in (0.1, 0.2, 9.0):
        pace.add(seconds)
    assert pace.too_long == 5.0
    for _ in range(3):
        pace.add(0.5)
    assert pace.too_long == 20 * 0.5


def test_a_chunk_goes_to_the_least_loaded_and_the_first_of_equals() -> None:
    workers = [Worker(rank, room, [1]) for rank, room in enumerate((2, 2, 1))]
    order = []
    for index in range(5):
        worker = least_loaded(workers)
        assert worker is not None
        worker.hand(Chunk(index, SAMPLES))
        order.append(workers.index(worker))
    assert order == [0, 1, 2, 0, 1]
    assert least_loaded(workers) is None


@pytest.mark.parametrize("run", [1, 4])
def test_a_worker_twice_as_fast_gets_twice_as_much(run: int) -> None:
    workers = [Worker(0, 2, [10]), Worker(1, 2, [5])]
    ranks = [result.rank for result in run_in_order(workers, chunks(300, []), Plan(12, run), lambda: None)]
    assert ranks.count(1) == pytest.approx(2 * ranks.count(0), rel=0.05)


@pytest.mark.parametrize("n_chunks", [14, 21, 24])
def test_workers_alike_get_runs_and_end_together(n_chunks: int) -> None:
    workers = [Worker(0, 2, [10]), Worker(1, 2, [10])]
    ranks = [result.rank for result in run_in_order(workers, chunks(n_chunks, []), Plan(12, 4), lambda: None)]
    assert ranks[:10] == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0]
    assert abs(ranks.count(0) - ranks.count(1)) <= 1


def test_a_run_whose_worker_is_stuck_is_begun_anew_by_the_others() -> None:
    """The two chunks that it holds stay with it; the last of its run is not left to it."""
    taken: list[int] = []
    workers = [Worker(0, 2, [1000]), Worker(1, 2, [1])]
    ranks = [result.rank for result in run_in_order(workers, chunks(12, taken), Plan(12, 4), lambda: None)]
    assert ranks == [0, 0] + [1] * 10


def test_runs_are_as_long_as_memory_allows() -> None:
    mib = 1 << 20
    assert make_plan(2, 2 * mib, longest_run=4, held_bytes=64 * mib) == Plan(window=12, run=4)
    assert make_plan(8, 2 * mib, longest_run=4, held_bytes=64 * mib) == Plan(window=32, run=3)
    assert make_plan(2, 16 * mib, longest_run=4, held_bytes=64 * mib) == Plan(window=4, run=1)
    assert make_plan(64, 2 * mib, longest_run=4, held_bytes=64 * mib) == Plan(window=65, run=1)
    assert make_plan(3, 2 * mib, longest_run=1, held_bytes=64 * mib) == Plan(window=9, run=1)


@pytest.mark.parametrize(("context", "run"), [(0, 4), (2, 4), (6, 6), (8, 8), (40, 8)])
def test_the_more_past_a_chunk_has_the_longer_are_the_runs(context: int, run: int) -> None:
    shape = ChunkShape(hop=1, slice_length=2, slice_output=2, latency=2, context_slices=context, slices=16)
    assert run_length(shape) == run


def test_one_stuck_worker_stops_the_source_at_the_window() -> None:
    taken: list[int] = []
    rests = 0

    class Patience(Exception):
        pass

    def rest() -> None:
        nonlocal rests
        rests += 1
        if rests == 1000:
            raise Patience

    workers = [Worker(0, 2, [10**9]), Worker(1, 2, [1])]
    with pytest.raises(Patience):
        list(run_in_order(workers, chunks(100, taken), Plan(7, 1), rest))
    assert len(taken) == 7


def test_rest_is_called_only_when_there_is_nothing_to_do() -> None:
    rests = []
    list(run_in_order([Worker(0, 1, [4])], chunks(10, []), Plan(3, 1), lambda: rests.append(None)))
    # Each chunk takes four looks: three of them find nothing.
    assert len(rests) == 30


def test_an_error_of_the_source_comes_through_after_what_was_ready_before_it() -> None:
    def source() -> Iterator[Chunk]:
        yield Chunk(0, SAMPLES)
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        list(run_in_order([Worker(0, 1, [1])], source(), Plan(4, 1), lambda: None))
