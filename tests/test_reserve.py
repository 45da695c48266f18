"""Who of a host's ranks is at work, and the memory that two processes share."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from rtsep.engine.process import own_cores
from rtsep.engine.reserve import call_up
from rtsep.engine.shared import make_shared, open_shared


@dataclass
class Rank:
    host: str
    cores: tuple[int, ...] = ()
    is_fit: bool = True
    in_reserve: bool = True


def at_work(ranks: list[Rank]) -> list[int]:
    return [number for number, rank in enumerate(ranks, 1) if rank.is_fit and not rank.in_reserve]


def test_twice_as_many_as_a_host_has_cores_are_at_work_this_process_among_them() -> None:
    n = 2 * len(own_cores()) - 1
    ranks = [Rank(socket.gethostname()) for _ in range(n + 3)] + [Rank("far", (5, 6)) for _ in range(7)]
    call_up(ranks)
    assert at_work(ranks) == [*range(1, n + 1), *range(n + 4, n + 8)]


def test_ranks_bound_to_a_core_each_are_all_at_work() -> None:
    ranks = [Rank("far", (core,)) for core in range(9)]
    call_up(ranks)
    assert at_work(ranks) == list(range(1, 10))


def test_the_first_in_reserve_step_in_and_whoever_is_at_work_stays() -> None:
    ranks = [Rank("far", (0,)) for _ in range(5)]
    call_up(ranks)
    assert at_work(ranks) == [1, 2]
    ranks[0].is_fit = False
    call_up(ranks)
    assert at_work(ranks) == [2, 3]
    ranks[0].is_fit, ranks[0].in_reserve = True, True
    call_up(ranks)
    assert at_work(ranks) == [2, 3]
    for rank in ranks[1:]:
        rank.is_fit = False
    call_up(ranks)
    assert at_work(ranks) == [1]


def test_what_one_writes_the_other_reads() -> None:
    memory, place = make_shared(5000)
    assert memory is not None
    assert place is not None
    other = open_shared(place, 5000)
    assert other is not None
    other[4999] = 7
    assert memory[4999] == 7


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"pid": 1 << 22}, {"file": 999}, {"name": "rtsep-0"}, None])
def test_memory_that_is_not_there_is_not_shared(change: dict[str, object] | None) -> None:
    _, place = make_shared(5000)
    assert place is not None
    assert open_shared({**place, **change} if change else None, 5000) is None
    assert open_shared(place, 4096) is None
