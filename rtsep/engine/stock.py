"""Which chunk is whose: runs of chunks for each worker, and never too far ahead of the results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtsep.types import Chunk, ChunkShape

SHORTEST_RUN, LONGEST_RUN = 4, 8
HELD_BYTES = 96 << 20
_END = Chunk(-1, np.zeros((0, 0), np.float32))


def run_length(shape: ChunkShape) -> int:
    """Chunks of a file in a row for one worker: only the first has its past to hear, so the more of that, the more."""
    return min(max(SHORTEST_RUN, 16 * shape.context_slices // shape.slices), LONGEST_RUN)


@dataclass(frozen=True)
class Plan:
    """At most `window` chunks are out or wait for their turn; each worker gets `run` of them in a row."""

    window: int
    run: int


def make_plan(n_workers: int, result_bytes: float, longest_run: int, held_bytes: float = HELD_BYTES) -> Plan:
    """Runs as long as they may be, where so many bytes of results may wait, but at least one result for each worker."""
    window = min((longest_run + 2) * n_workers, max(n_workers + 1, int(held_bytes / result_bytes)))
    return Plan(window, max(1, min(longest_run, window // n_workers - 1)))


class Owner(Protocol):
    """Of a worker: how many chunks it can hold, 0 while it can take none, and how many it holds."""

    @property
    def room(self) -> int: ...

    @property
    def load(self) -> int: ...


class Stock:
    """Chunks, numbered from 0, from their source until their results are there.

    A run belongs to the worker that got its first chunk, as long as that can take any. A worker for which there is
    neither a chunk of its own nor a run to begin takes the last of another's, if it has nothing else to do or there
    will be no more.
    """

    def __init__(self, chunks: Iterable[Chunk | None], plan: Plan) -> None:
        self._source = iter(chunks)
        self._plan = plan
        self._kept: dict[int, Chunk] = {}
        self._due: list[int] = []
        self._owners: dict[int, Owner] = {}
        self._exhausted = False
        self.n_taken = self.n_given = 0

    @property
    def is_done(self) -> bool:
        """Whether all results are given out."""
        return self._exhausted and self.n_given == self.n_taken

    def next_for(self, worker: Owner) -> Chunk | None:
        """What this worker, which has room, is to compute next; None if there is nothing for it now."""
        index = self._first_for(worker)
        while index is None and self._take():
            index = self._first_for(worker)
        if index is None and self._due and (self._exhausted or not worker.load):
            index = self._due[-1]
        if index is None:
            return None
        self._due.remove(index)
        if self._owner(index) is None:
            self._owners[index // self._plan.run] = worker
        return self._kept[index]

    def take_back(self, given_up: Iterable[int]) -> None:
        """These chunks, which a worker had, are due again."""
        self._due = sorted([*self._due, *given_up])

    def drop(self, index: int) -> None:
        """The result of this chunk is there."""
        del self._kept[index]

    def count_given(self) -> None:
        """The next result was given out."""
        self.n_given += 1
        self._owners.pop(self.n_given // self._plan.run - 1, None)

    def _first_for(self, worker: Owner) -> int | None:
        return next((index for index in self._due if self._owner(index) in (None, worker)), None)

    def _owner(self, index: int) -> Owner | None:
        owner = self._owners.get(index // self._plan.run)
        return owner if owner and owner.room else None

    def _take(self) -> bool:
        """Take one more chunk, if the window allows, and the source has one now."""
        if self._exhausted or self.n_taken - self.n_given >= self._plan.window:
            return False
        chunk = next(self._source, _END)
        self._exhausted = chunk is _END
        if chunk is None or chunk is _END:
            return False
        self._kept[chunk.index] = chunk
        self._due.append(chunk.index)
        self.n_taken += 1
        return True
