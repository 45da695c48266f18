"""An MPI job: rank 0 tells the others what to compute, or sends them home; none is left waiting."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from rtsep.engine.ending import end_at_once, end_launcher_later, leave, run_to_its_end, telling_of_death
from rtsep.engine.joining import connect
from rtsep.engine.mpi import MpiEngine
from rtsep.engine.process import RankRecord, Terminated, own_record, seconds_since_start, survives_deaths
from rtsep.engine.remote import RankFailed, RemoteWorker, Task
from rtsep.engine.schedule import Pace
from rtsep.engine.stock import run_length
from rtsep.engine.waiting import nap
from rtsep.engine.worker import Load, Order, follow
from rtsep.errors import RtsepError
from rtsep.types import Bytes, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

STALL_SECONDS = 5.0
_READY_SECONDS = 10.0
_READY_SHARE = 4.0  # of the time that rank 0 took itself, which grows with the ranks that share its cores
_IMPORT_SECONDS = 30.0
_BYE_SECONDS = 10.0
_WAKE_SECONDS = 2.0
_NAP_SECONDS = 0.002


class Crew:
    """Rank 0's hold on the other ranks, which hear it and wait; at the end of the `with` block they are dismissed.

    `records` tells afterwards how all ranks fared. Nobody is `dismissed` where the launcher is ending the job anyway.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._remote = [RemoteWorker(comm, rank) for rank in range(1, comm.size)]
        self._engine: MpiEngine | None = None
        self.records: dict[int, RankRecord] = {}
        self.dismissed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Terminated):
            return
        if self._engine:
            self._engine.close()
        self._dismiss()
        self.dismissed = True
        self.records = {0: own_record(sum(worker.message_seconds for worker in self._remote))}
        self.records |= {worker.rank: worker.record for worker in self._remote}

    def prepare(self) -> None:
        """There will probably be work: have those who will do it import what it takes while rank 0 does."""
        for worker in self._remote:
            worker.tell({"word": "prepare"})

    def start(
        self,
        order: Order,
        model: Bytes,
        separator: Separator,
        stall_seconds: float = STALL_SECONDS,
        longest_run: int | None = None,
    ) -> MpiEngine:
        """Have as many others as the cores take load and warm up what rank 0 has loaded and compiled, from the bytes of
        its model file. Each gets up to `longest_run` chunks in a row, or as many as are good for a file.

        Returns when they are ready, but after 10 s, or four times as long as rank 0 took, in any case: who is late
        joins later, and takes cores from those at work until then.
        """
        for worker in (*self._remote, *self._remote):  # MPI may see at the second look only what has come
            worker.listen()
        task = Task(order, model, separator, Pace(stall_seconds), longest_run or run_length(separator.shape))
        self._engine = MpiEngine(self._remote, task)
        self._engine.await_ready(max(_READY_SECONDS, _READY_SHARE * seconds_since_start()))
        return self._engine

    @property
    def left_behind(self) -> list[RemoteWorker]:
        """Those that are alive and have not gone."""
        return [worker for worker in self._remote if not (worker.gone or worker.lost)]

    def _dismiss(self) -> None:
        """Send all home. Who has stalled is not waited for, but woken up if it was stopped."""
        for worker in self._remote:
            worker.tell({"word": "go home"})
        hear = all(worker.is_settled for worker in self._remote) or survives_deaths()
        patience = max(_BYE_SECONDS, self._engine.patience) if self._engine and hear else _IMPORT_SECONDS
        self._await_farewells(patience, lambda: [worker for worker in self.left_behind if not worker.stalled])
        for worker in self.left_behind:
            worker.stalled = True
            worker.signal(signal.SIGCONT)
        self._await_farewells(_WAKE_SECONDS, lambda: self.left_behind)
        for worker in self._remote:
            if worker.gone:
                worker.close()

    def _await_farewells(self, seconds: float, awaited: Callable[[], Iterable[RemoteWorker]]) -> None:
        deadline = time.monotonic() + seconds
        while (waiting := awaited()) and time.monotonic() < deadline:
            nap(_NAP_SECONDS)
            for worker in waiting:
                with suppress(RtsepError, RankFailed):  # it goes home all the same
                    worker.listen()


def lead_ranks(lead: Callable[[Crew], int]) -> NoReturn:
    """Run `lead` on rank 0, while the others are in `follow_ranks`; the job ends with its exit code.

    `lead` itself says what goes wrong and is foreseen. Anything else that is raised, on any rank, ends all of them,
    with the traceback of the first.
    """
    comm = connect()
    crew = Crew(comm)
    with telling_of_death():
        code = _exit_code(lead, crew)
    if not crew.dismissed:
        end_at_once(code)
    left = crew.left_behind
    if left and not (survives_deaths() and all(worker.signal(signal.SIGKILL) for worker in left)):
        end_launcher_later()
        comm.Abort(code)
    leave(comm, code)


def _exit_code(lead: Callable[[Crew], int], crew: Crew) -> int:
    """That of `lead`; 1 where it raises, which is told."""
    try:
        return lead(crew)
    except RankFailed as error:
        print(error, file=sys.stderr, end="", flush=True)
    except BaseException:
        traceback.print_exc()
    return 1


def follow_ranks(prepare: Callable[[], None], load: Load) -> NoReturn:
    """Do what rank 0 says, which is in `lead_ranks`, and end with it."""
    comm = connect()

    def part() -> NoReturn:
        follow(comm, prepare, load)
        leave(comm, 0)

    run_to_its_end(comm, part)


def dismiss_all(code: int) -> NoReturn:
    """Rank 0, before there is any work, if there will be any: send the others home; the job ends with `code`."""

    def nothing(crew: Crew) -> int:
        with crew:
            return code

    lead_ranks(nothing)
