"""The engine of an MPI job: rank 0 hands out chunks and takes their stems back; the other ranks `follow`.

Raw bytes in memory that MPI is told of once, nothing pickled, no collective call. All calls to MPI come from the main
thread, and none of them blocks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rtsep.engine.local import Computer, warm_up
from rtsep.engine.remote import RemoteWorker, Task
from rtsep.engine.reserve import call_up
from rtsep.engine.schedule import Worker, run_in_order
from rtsep.engine.slots import SLOTS
from rtsep.engine.stock import Plan, make_plan
from rtsep.engine.waiting import check_launcher, nap
from rtsep.types import Chunk, ChunkResult, Separator

LOOKS_A_CHUNK = 8  # at a worker, which has its next chunk already while it is not looked at
SHORTEST_REST, LONGEST_REST = 0.002, 0.01


class _OwnThread:
    """Rank 0's own computing, on a thread, so that neither messages nor files wait for it, nor it for them."""

    room = SLOTS

    def __init__(self, separator: Separator, n_channels: int) -> None:
        self._computer = Computer(separator)
        self._thread = ThreadPoolExecutor(1)
        # Libraries have memory of their own for each thread: its first chunk takes up to twice as long as any other.
        self._thread.submit(warm_up, separator, n_channels)
        self._tasks: deque[Future[ChunkResult]] = deque()
        self._news = threading.Event()

    @property
    def load(self) -> int:
        return len(self._tasks)

    def hand(self, chunk: Chunk) -> None:
        task = self._thread.submit(self._computer.compute, chunk)
        task.add_done_callback(lambda _: self._news.set())
        self._tasks.append(task)

    def collect(self) -> ChunkResult | None:
        if not self._tasks or not self._tasks[0].done():
            return None
        return self._tasks.popleft().result()

    def give_up(self) -> list[int]:
        return []

    def wait(self, seconds: float) -> None:
        """Wait until another chunk is done, but no longer than this."""
        self._news.wait(seconds)
        self._news.clear()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._computer.close()


class MpiEngine:
    """Rank 0's engine over itself and the ranks of `remote`: as many as their hosts take are called up for `task`.

    Chunks may differ in channels, up to the order's most. A rank that dies is left out; one that is slower than the
    pace allows is routed around until it answers; another is called up in its place. Memory: two slots for each that
    is called, the chunks that are out, and at most 96 MiB of results that wait for their turn.
    """

    def __init__(self, remote: Sequence[RemoteWorker], task: Task) -> None:
        self._remote = remote
        self._task = task
        self._own = _OwnThread(task.separator, task.order.max_channels)
        self._workers: list[Worker] = [*remote, self._own]
        self._fit: list[bool] = []

    def await_ready(self, seconds: float) -> None:
        """Wait until those who are called up are ready, but no longer than this; who is late joins when it is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._muster()
            if all(worker.is_settled for worker in self._remote):
                return
            nap(SHORTEST_REST)
            for worker in self._remote:
                worker.listen()

    def run(self, chunks: Iterable[Chunk | None]) -> Iterator[ChunkResult]:
        """The results of `chunks`, numbered from 0, in their order, whichever rank computed them.

        None in place of a chunk means that there is none yet. Raises RtsepError and RankFailed where another rank does.
        """
        return run_in_order(self._workers, chunks, self._plan, self._rest)

    @property
    def _plan(self) -> Plan:
        separator = self._task.separator
        result_bytes = 4 * len(separator.stems) * separator.shape.output_length * self._task.order.max_channels
        n_called = 1 + sum(worker.called for worker in self._remote)
        return make_plan(n_called, result_bytes, self._task.longest_run)

    @property
    def fates(self) -> dict[int, str]:
        """What has become of the other ranks: died, stalled, or nothing ill."""
        return {worker.rank: worker.record.fate for worker in self._remote}

    @property
    def patience(self) -> float:
        """Seconds after which a rank that computes is taken for stalled."""
        return self._task.pace.too_long

    def close(self) -> None:
        """End rank 0's own computing."""
        self._own.close()

    def _muster(self) -> None:
        """Call others up where a rank has become fit or unfit for work."""
        fit = [worker.is_fit for worker in self._remote]
        if fit != self._fit:
            self._fit = fit
            for worker in call_up(self._remote):
                worker.call(self._task)

    def _rest(self) -> None:
        """Sleep until rank 0 itself is done, or until it is time to look at the others."""
        check_launcher()
        self._muster()
        self._own.wait(min(max(SHORTEST_REST, self._task.pace.usual / LOOKS_A_CHUNK), LONGEST_REST))
