"""A discrete-event model of a job of many ranks: rank 0 reads, hands out, takes back and writes; the others compute.

What rank 0 does is `rtsep.engine.schedule.run_in_order`, step by step, each step costing its measured seconds; which
chunk is whose its own `Stock` says. Cores that ranks share are shared out evenly among those that have work; each
direction of rank 0's network takes one message after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from _clock import Clock, Link, Network

from rtsep.engine.mpi import LONGEST_REST, LOOKS_A_CHUNK, SHORTEST_REST
from rtsep.engine.reserve import RESERVE_NAP
from rtsep.engine.schedule import least_loaded
from rtsep.engine.slots import SLOTS
from rtsep.engine.stock import HELD_BYTES, SHORTEST_RUN, Stock, make_plan
from rtsep.engine.waiting import LONGEST_NAP, NAP_SHARE
from rtsep.types import Chunk

_REST = -1.0
_NO_SAMPLES = np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Costs:
    """What one chunk takes of a core, in seconds, and its messages in bytes.

    Rank 0: `read` it from the song, `hand` it over, `collect` its stems, `write` them; `look` is for each worker and
    round of its loop; `end` until the files are there after the last. A worker: `compute`, `past` besides where it has
    not had the chunk before, `direct` for what it writes to the files by itself, and `answer` with the stems or with
    what is left of them to be written.
    `crowding`: how many times longer everything takes where no core is free. `idle`: the share of a core that a worker
    without work takes by asking for some; in reserve it asks more seldom. `longest_run`: chunks of a file in a row.
    """

    compute: float
    read: float
    hand: float
    collect: float
    write: float
    answer: float
    look: float
    end: float
    chunk_bytes: float
    stems_bytes: float
    direct: float = 0.0
    past: float = 0.0
    crowding: float = 1.0
    idle: float = 0.0
    longest_run: int = SHORTEST_RUN


# Measured costs count the copying already.
SHARED_MEMORY = Network("shared memory", 1e-6, float("inf"), takes_both=False)


@dataclass(frozen=True)
class Job:
    """`n_ranks`, rank 0 included, on `cores` for all, or on one for each and one for rank 0's messages.

    `period` is that at which a live input brings chunks; 0 where all are there, as in a file. `held_bytes` of stems may
    wait for their turn.
    """

    n_ranks: int
    n_chunks: int
    network: Network = SHARED_MEMORY
    cores: float | None = None
    period: float = 0.0
    held_bytes: float = HELD_BYTES


@dataclass(frozen=True)
class Outcome:
    """Seconds until the last stem was written, rank 0's main thread's busy share, and how long each chunk was away."""

    seconds: float
    rank_0_share: float
    idle_share: float
    chunk_seconds: list[float]


class _Worker:
    """Computes what it holds, one chunk after the other; rank 0's own thread sends no messages."""

    room = SLOTS

    def __init__(self, run: _Run, is_own: bool) -> None:
        self.is_own = is_own
        self.load = 0
        self._run = run
        self._waiting: deque[int] = deque()
        self._at_work = False
        self._idle_since = 0.0
        self._idle = 0.0 if is_own else run.costs.idle
        self._last = -1

    def hand(self, index: int) -> None:
        self.load += 1
        if self.is_own:
            self._receive(index)
        else:
            self._run.outward.send(self._run.costs.chunk_bytes, lambda: self._receive(index))

    def _receive(self, index: int) -> None:
        self._waiting.append(index)
        if not self._at_work:
            self._at_work = True
            self._run.clock.taken -= self._idle
            nap = min(NAP_SHARE * (self._run.clock.now - self._idle_since), LONGEST_NAP)
            self._run.clock.after(0.0 if self.is_own else nap / 2, self._begin)

    def _begin(self) -> None:
        index = self._waiting.popleft()
        costs = self._run.costs
        seconds = costs.compute + costs.direct + (0.0 if index == self._last + 1 else costs.past)
        self._last = index
        self._run.busy_seconds += seconds
        self._run.clock.work(seconds + (0.0 if self.is_own else costs.answer), lambda: self._end(index))

    def _end(self, index: int) -> None:
        if self.is_own:
            self._run.arrive(self, index)
            self.go_on()
        else:
            self._run.inward.send(self._run.costs.stems_bytes, lambda: self._run.arrive(self, index))
            if not self._run.takes_both:
                self.go_on()

    def go_on(self) -> None:
        """Begin with the next chunk, if it is there."""
        self._at_work = bool(self._waiting)
        self._idle_since = self._run.clock.now
        if self._waiting:
            self._begin()
        else:
            self._run.clock.taken += self._idle


class _Run:
    """Rank 0's loop over the chunks of a job."""

    def __init__(self, costs: Costs, job: Job) -> None:
        self.costs = costs
        self.clock = Clock(job.cores or job.n_ranks + 1, costs.crowding)
        self.outward, self.inward = Link(self.clock, job.network), Link(self.clock, job.network)
        self.busy_seconds = 0.0
        self.main_seconds = 0.0
        self.chunk_seconds: list[float] = []
        self.is_done = False
        self.takes_both = job.network.takes_both
        self._job = job
        n_at_work = min(job.n_ranks, round(job.cores or job.n_ranks))
        self.clock.taken = costs.idle * (n_at_work - 1 + (job.n_ranks - n_at_work) * LONGEST_NAP / RESERVE_NAP)
        self._workers = [_Worker(self, is_own=False) for _ in range(n_at_work - 1)] + [_Worker(self, is_own=True)]
        longest_run = 1 if job.period else costs.longest_run
        self._stock = Stock(self._chunks(), make_plan(n_at_work, costs.stems_bytes, longest_run, job.held_bytes))
        self._arrived: deque[tuple[_Worker, int]] = deque()
        self._program = self._steps()
        self._is_resting = False
        self._n_rests = 0

    def run(self) -> None:
        self._go_on()
        while not self.is_done:
            self.clock.step()

    def arrive(self, worker: _Worker, index: int) -> None:
        """A result is there to be collected; rank 0's own wakes it up, that of others waits for its next look."""
        self._arrived.append((worker, index))
        if worker.is_own:
            self._wake(self._n_rests)

    def _wake(self, rest: int) -> None:
        """End that rest, if it has not ended yet."""
        if self._is_resting and rest == self._n_rests:
            self._is_resting = False
            self._go_on()

    def _go_on(self) -> None:
        """Do the next step."""
        seconds = next(self._program, None)
        if seconds is None:
            self.is_done = True
        elif seconds != _REST:
            self.main_seconds += seconds
            self.clock.work(seconds, self._go_on)
        else:
            self._is_resting = True
            self._n_rests += 1
            rest = min(max(SHORTEST_REST, self.costs.compute / LOOKS_A_CHUNK), LONGEST_REST)
            self.clock.after(rest, partial(self._wake, self._n_rests))

    def _steps(self) -> Iterator[float]:
        """The seconds of each thing that rank 0 does, in their order, or _REST."""
        costs = self.costs
        finished: set[int] = set()
        n_read = 0
        while not self._stock.is_done:
            yield costs.look * (self._job.n_ranks - 1)
            n_news, n_handed = len(self._arrived), 0
            while self._arrived:
                worker, index = self._arrived.popleft()
                if not worker.is_own:
                    yield costs.collect
                    if self.takes_both:
                        worker.go_on()
                worker.load -= 1
                finished.add(index)
            while (free := least_loaded(self._workers)) and (chunk := self._stock.next_for(free)):
                yield costs.read * (self._stock.n_taken - n_read) + (0.0 if free.is_own else costs.hand)
                n_read = self._stock.n_taken
                free.hand(chunk.index)
                n_handed += 1
            if (index := self._stock.n_given) in finished:
                finished.remove(index)
                yield costs.write
                self.chunk_seconds.append(self.clock.now - index * self._job.period)
                self._stock.count_given()
            elif not n_news and not n_handed:
                yield _REST

    def _chunks(self) -> Iterator[Chunk | None]:
        """Each when it is time for it, None until then."""
        for index in range(self._job.n_chunks):
            while index * self._job.period > self.clock.now:
                yield None
            yield Chunk(index, _NO_SAMPLES)


def simulate(costs: Costs, job: Job) -> Outcome:
    """Run the job; the seconds of a chunk are counted from its coming to the end of its writing."""
    if job.n_ranks == 1:
        return _alone(costs, job)
    run = _Run(costs, job)
    run.run()
    seconds = run.clock.now + costs.end
    idle = 1 - run.busy_seconds / (job.n_ranks * seconds)
    return Outcome(seconds, run.main_seconds / seconds, idle, run.chunk_seconds)


def _alone(costs: Costs, job: Job) -> Outcome:
    """One process does one thing after the other."""
    now, own = 0.0, costs.read + costs.compute + costs.direct + costs.write
    chunk_seconds = []
    for index in range(job.n_chunks):
        came = index * job.period
        now = max(now, came) + own
        chunk_seconds.append(now - came)
    seconds = now + costs.end
    share = job.n_chunks * (costs.compute + costs.direct) / seconds
    return Outcome(seconds, 1 - share, 1 - share, chunk_seconds)
