"""Who of a host's ranks is at work, how the others are waked, and the memory that two processes share."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass

import pytest

from rtsep.engine.bell import Bell, ring
from rtsep.engine.process import local_rank, own_cores
from rtsep.engine.reserve import call_up, will_be_called
from rtsep.engine.shared import make_shared, open_shared


@dataclass
class Rank:
    host: str
    cores: tuple[int, ...] = ()
    is_fit: bool = True
    in_reserve: bool = True


def at_work(ranks: list[Rank]) -> list[int]:
    return [number for number, rank in enumerate(ranks, 1) if rank.is_fit and not rank.in_reserve]


def test_as_many_as_a_host_has_cores_are_at_work_this_process_among_them() -> None:
    n = len(own_cores()) - 1
    ranks = [Rank(socket.gethostname()) for _ in range(n + 3)] + [Rank("far", (5, 6)) for _ in range(7)]
    call_up(ranks)
    assert at_work(ranks) == [*range(1, n + 1), n + 4, n + 5]


def test_ranks_bound_to_a_core_each_are_all_at_work() -> None:
    ranks = [Rank("far", (core,)) for core in range(9)]
    call_up(ranks)
    assert at_work(ranks) == list(range(1, 10))


def test_the_first_in_reserve_step_in_and_whoever_is_at_work_stays() -> None:
    ranks = [Rank("far", (0, 1)) for _ in range(5)]
    assert call_up(ranks) == ranks[:2]
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


def test_those_that_are_not_among_a_host_s_first_make_nothing_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    n = os.cpu_count() or 1
    told = []
    for rank in (n - 1, n):
        monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", str(rank))
        told.append((local_rank(), will_be_called()))
    assert told == [(n - 1, True), (n, False)]


def test_a_bell_ends_a_nap_and_is_heard_later_by_who_was_awake() -> None:
    bell = Bell()
    ring("rtsep-nobody")
    started = time.monotonic()
    bell.nap(0.05)
    assert time.monotonic() - started >= 0.05
    threading.Timer(0.05, ring, [bell.name]).start()
    bell.nap(5.0)
    ring(bell.name)
    bell.nap(5.0)
    assert time.monotonic() - started < 1.0
    bell.close()


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
