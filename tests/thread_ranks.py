"""Ranks as threads of one process: what runs on several of them can be tried without a launcher."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import numpy as np

from rtsep.errors import RtsepError

T = TypeVar("T")


class ThreadRanks:
    """One thread's view of `size` threads that share `slots`; it keeps the contract of rtsep.sparse.ranks.Ranks."""

    def __init__(self, rank: int, slots: list[Any], barrier: Barrier) -> None:
        self.rank = rank
        self.size = len(slots)
        self._slots = slots
        self._barrier = barrier

    def sum(self, array: np.ndarray) -> None:
        # Last rank first: a sum that depends on the order would show.
        array[...] = sum(reversed(self._shared(array.copy())))

    def together(self, part: Callable[[], T]) -> T:
        try:
            result, error = part(), None
        except RtsepError as raised:
            error = raised
        for other in self._shared(error):
            if other is not None:
                raise other
        return result

    def _shared(self, value: Any) -> list[Any]:
        self._slots[self.rank] = value
        self._barrier.wait(timeout=60)
        values = list(self._slots)
        self._barrier.wait(timeout=60)
        return values


def on_ranks(size: int, task: Callable[[ThreadRanks], T]) -> list[T]:
    """What `task` returns on each of `size` ranks; raises what the first of them raised."""
    barrier, slots = Barrier(size), [None] * size

    def run(rank: int) -> T:
        try:
            return task(ThreadRanks(rank, slots, barrier))
        except RtsepError:
            raise
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as threads:
        return [future.result() for future in [threads.submit(run, rank) for rank in range(size)]]
