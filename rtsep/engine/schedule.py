"""What goes to whom: chunks to the least loaded worker, results out in the order of the chunks.

Knows nothing of MPI: a worker is whoever takes a chunk and has its stems later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from rtsep.types import Chunk, ChunkResult


class Worker(Protocol):
    """Computes chunks on its own while others are handed theirs; neither call waits."""

    @property
    def room(self) -> int:
        """Chunks it can hold, the one it computes included."""
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


def least_loaded(workers: Sequence[Worker]) -> Worker | None:
    """The worker with the fewest chunks among those with room, the first of equals; None when all are full."""
    with_room = [worker for worker in workers if worker.load < worker.room]
    return min(with_room, key=lambda worker: worker.load, default=None)


def run_in_order(
    workers: Sequence[Worker], chunks: Iterable[Chunk], window: int, rest: Callable[[], None]
) -> Iterator[ChunkResult]:
    """The results of `chunks`, numbered from 0, in their order, whoever finishes first.

    A chunk is taken from `chunks` only when a worker has room for it and fewer than `window` chunks lie between it
    and the next result to be given out: one slow worker makes the others wait rather than memory grow.
    `rest` is called whenever there was nothing to do.
    """
    source = iter(chunks)
    exhausted = False
    finished: dict[int, ChunkResult] = {}
    n_handed = n_given = 0
    while True:
        news = [result for worker in workers if (result := worker.collect()) is not None]
        finished.update((result.index, result) for result in news)
        n_handed_before = n_handed
        while not exhausted and n_handed - n_given < window and (worker := least_loaded(workers)) is not None:
            chunk = next(source, None)
            if chunk is None:
                exhausted = True
            else:
                worker.hand(chunk)
                n_handed += 1
        if (result := finished.pop(n_given, None)) is not None:
            n_given += 1
            yield result
        elif exhausted and n_given == n_handed:
            return
        elif not news and n_handed == n_handed_before:
            rest()
