"""What goes to whom: chunks to the least loaded worker, results out in the order of the chunks.

Knows nothing of MPI: a worker is whoever takes a chunk and has its stems later, or does not.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from rtsep.engine.stock import Owner, Plan, Stock
from rtsep.types import Chunk, ChunkResult

W = TypeVar("W", bound=Owner)

_TOO_LONG_IN_MEDIANS = 20
_REMEMBERED = 65


class Worker(Protocol):
    """Computes chunks on its own while others are handed theirs; no call waits."""

    @property
    def room(self) -> int:
        """Chunks it can hold, the one it computes included; 0 for one that can take none now."""
        ...

    @property
    def load(self) -> int:
        """Chunks it holds now."""
        ...

    def hand(self, chunk: Chunk) -> None:
        """Take one more chunk; only called while load < room."""
        ...

    def collect(self) -> ChunkResult | None:
        """A finished result, which makes room again, or None."""
        ...

    def give_up(self) -> list[int]:
        """Indices of the chunks that it will not have the stems of; each is told once, and never collected then."""
        ...


class Pace:
    """How long workers usually take for a chunk (the median), and from when on one takes too long: `at_least` seconds,
    and 20 times the usual.
    """

    def __init__(self, at_least: float) -> None:
        self._at_least = at_least
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self.too_long = at_least
        self.usual = 0.0

    def add(self, seconds: float) -> None:
        """Take note of a chunk."""
        self._seconds.append(seconds)
        self.usual = statistics.median(self._seconds)
        self.too_long = max(self._at_least, _TOO_LONG_IN_MEDIANS * self.usual)


def least_loaded(workers: Sequence[W]) -> W | None:
    """The worker with the fewest chunks among those with room, the first of equals; None when all are full."""
    with_room = [worker for worker in workers if worker.load < worker.room]
    return min(with_room, key=lambda worker: worker.load, default=None)


def run_in_order(
    workers: Sequence[Worker], chunks: Iterable[Chunk | None], plan: Plan, rest: Callable[[], None]
) -> Iterator[ChunkResult]:
    """The results of `chunks`, numbered from 0, in their order, whoever finishes first.

    A chunk is taken from `chunks` only when a worker has room for it, or for a later one, and the plan's window allows:
    one slow worker makes the others wait rather than memory grow. None in place of a chunk means that there is none
    yet. A chunk is kept until its result is there; one that a worker gives up goes to another worker before any new
    one. `rest` is called whenever there was nothing to do.
    """
    stock = Stock(chunks, plan)
    finished: dict[int, ChunkResult] = {}
    while True:
        news = [result for worker in workers if (result := worker.collect()) is not None]
        for result in news:
            finished[result.index] = result
            stock.drop(result.index)
        stock.take_back([index for worker in workers for index in worker.give_up()])
        n_handed = 0
        while (worker := least_loaded(workers)) and (chunk := stock.next_for(worker)):
            worker.hand(chunk)
            n_handed += 1
        if (result := finished.pop(stock.n_given, None)) is not None:
            stock.count_given()
            yield result
        elif stock.is_done:
            return
        elif not news and not n_handed:
            rest()
