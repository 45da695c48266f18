"""What goes to whom: chunks to the least loaded worker, results out in the order of the chunks.

Knows nothing of MPI: a worker is whoever takes a chunk and has its stems later, or does not.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from rtsep.types import Chunk, ChunkResult

_TOO_LONG_IN_MEDIANS = 20
_REMEMBERED = 65
_END = Chunk(-1, np.zeros((0, 0), np.float32))


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


def least_loaded(workers: Sequence[Worker]) -> Worker | None:
    """The worker with the fewest chunks among those with room, the first of equals; None when all are full."""
    with_room = [worker for worker in workers if worker.load < worker.room]
    return min(with_room, key=lambda worker: worker.load, default=None)


def run_in_order(
    workers: Sequence[Worker], chunks: Iterable[Chunk | None], window: int, rest: Callable[[], None]
) -> Iterator[ChunkResult]:
    """The results of `chunks`, numbered from 0, in their order, whoever finishes first.

    A chunk is taken from `chunks` only when a worker has room for it and fewer than `window` chunks lie between it
    and the next result to be given out: one slow worker makes the others wait rather than memory grow. None in
    place of a chunk means that there is none yet. A chunk is kept until its result is there; one that a worker gives
    up goes to another worker before any new one. `rest` is called whenever there was nothing to do.
    """
    source = iter(chunks)
    exhausted = False
    kept: dict[int, Chunk] = {}
    due: deque[int] = deque()
    finished: dict[int, ChunkResult] = {}
    n_taken = n_given = 0
    while True:
        news = [result for worker in workers if (result := worker.collect()) is not None]
        for result in news:
            finished[result.index] = result
            del kept[result.index]
        due.extend(index for worker in workers for index in worker.give_up())
        n_handed = 0
        while (due or (not exhausted and n_taken - n_given < window)) and (worker := least_loaded(workers)):
            if not due:
                chunk = next(source, _END)
                exhausted = chunk is _END
                if chunk is None or chunk is _END:
                    break
                kept[chunk.index] = chunk
                due.append(chunk.index)
                n_taken += 1
            worker.hand(kept[due.popleft()])
            n_handed += 1
        if (result := finished.pop(n_given, None)) is not None:
            n_given += 1
            yield result
        elif exhausted and n_given == n_taken:
            return
        elif not news and not n_handed:
            rest()
