"""Start and end of an MPI job: rank 0 tells the others what to compute, or sends them home; none is left waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from rtsep.engine.joining import connect
from rtsep.engine.line import PeerLost
from rtsep.engine.mpi import MpiEngine
from rtsep.engine.process import (
    INTERRUPTED,
    RankRecord,
    Terminated,
    open_launcher_stderr,
    own_record,
    seconds_since_start,
    survives_deaths,
)
from rtsep.engine.remote import RankFailed, RemoteWorker, Task
from rtsep.engine.schedule import Pace
from rtsep.engine.stock import LONGEST_RUN
from rtsep.engine.waiting import barrier, nap
from rtsep.engine.worker import Load, Order, follow
from rtsep.errors import RtsepError
from rtsep.last_will import LastWill
from rtsep.types import Bytes, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

STALL_SECONDS = 5.0
_READY_SECONDS = 10.0
_READY_SHARE = 4.0  # of the time that rank 0 took itself, which grows with the ranks that share its cores
_IMPORT_SECONDS = 30.0
_BYE_SECONDS = 10.0
_WAKE_SECONDS = 2.0
_FAREWELL_SECONDS = 0.5
_LAUNCHER_SECONDS = 1
_NAP_SECONDS = 0.002
_DIED = "rtsep: rank {} died, and with it the job; start it again"


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
        longest_run: int = LONGEST_RUN,
    ) -> MpiEngine:
        """Have as many others as the cores take load and warm up what rank 0 has loaded and compiled, from the bytes of
        its model file. Each gets up to `longest_run` chunks in a row.

        Returns when they are ready, but after 10 s, or four times as long as rank 0 took, in any case: who is late
        joins later, and takes cores from those at work until then.
        """
        for worker in (*self._remote, *self._remote):  # MPI may see at the second look only what has come
            worker.listen()
        task = Task(order, model, separator, Pace(stall_seconds), longest_run)
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
    with _telling_of_death():
        code = _exit_code(lead, crew)
    if not crew.dismissed:
        end_at_once(code)
    left = crew.left_behind
    if left and not (survives_deaths() and all(worker.signal(signal.SIGKILL) for worker in left)):
        _end_launcher_later()
        comm.Abort(code)
    leave(comm, code)


def _telling_of_death() -> AbstractContextManager[object]:
    """On rank 0: have its death told if it dies meanwhile; under ULFM another rank does, as it may live on."""
    if survives_deaths():
        return nullcontext()
    return LastWill('echo "$1" >&2', _DIED.format(0), stderr=open_launcher_stderr() or sys.stderr)


def _exit_code(lead: Callable[[Crew], int], crew: Crew) -> int:
    """That of `lead`; 1 where it raises, which is told."""
    try:
        return lead(crew)
    except RankFailed as error:
        print(error, file=sys.stderr, end="", flush=True)
    except BaseException:
        traceback.print_exc()
    return 1


def _end_launcher_later() -> None:
    """See that the launcher ends too: of a host that is cut off it hears nothing, and would wait for it.

    Open MPI's ends without at one of the next SIGTERMs, which another process has to send: MPI's abort ends this one.
    """
    often = f"for _ in 1 2 3 4 5 6; do sleep {_LAUNCHER_SECONDS}; kill -TERM {os.getppid()} || exit; done"
    nowhere = subprocess.DEVNULL
    subprocess.Popen(["sh", "-c", often], start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def follow_ranks(prepare: Callable[[], None], load: Load) -> NoReturn:
    """Do what rank 0 says, which is in `lead_ranks`, and end with it."""
    comm = connect()
    try:
        follow(comm, prepare, load)
        leave(comm, 0)
    except KeyboardInterrupt:
        end_at_once(INTERRUPTED)
    except PeerLost:
        end_after_death(comm)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        comm.Abort(1)
    raise AssertionError("Abort has returned")


def dismiss_all(code: int) -> NoReturn:
    """Rank 0, before there is any work, if there will be any: send the others home; the job ends with `code`."""

    def nothing(crew: Crew) -> int:
        with crew:
            return code

    lead_ranks(nothing)


def end_after_death(comm: MPI.Intracomm) -> NoReturn:
    """End this rank, as one has died without which the job cannot go on; the first that lives says so."""
    from mpi4py import MPI

    failed = comm.Get_failed()
    dead = MPI.Group.Translate_ranks(failed, list(range(failed.size)), comm.Get_group())
    first = min(set(range(comm.size)) - set(dead))
    if comm.rank == first:
        ranks = ", ".join(map(str, sorted(dead)))
        print(_DIED.format(ranks), file=sys.stderr, flush=True)
        time.sleep(_FAREWELL_SECONDS)  # mpirun takes several bad exit codes at a time for a crash of its own
    end_at_once(int(comm.rank == first))


def leave_together(say: Callable[[], None], code: int) -> NoReturn:
    """Before there is any work: have rank 0 `say` why, and end the job with `code`. Every rank has to come here."""
    comm = connect()
    if comm.rank == 0:
        say()
    leave(comm, code if comm.rank == 0 else 0)


def leave(comm: MPI.Intracomm, code: int) -> NoReturn:
    """End this process; all ranks that live have to come here.

    Where the launcher survives deaths no rank waits for another, as MPI's own end at times hangs after deaths (Open MPI
    5.0), and is not asked for. Elsewhere the launcher takes an end without it for a crash.
    """
    from mpi4py import MPI

    rank = comm.rank
    if not survives_deaths():
        barrier(comm)
        MPI.Finalize()
    if rank == 0 and code:
        # mpirun adds a banner of its own to a code other than 0, unless the other ranks are gone already.
        time.sleep(_FAREWELL_SECONDS)
    end_at_once(code)


def end_at_once(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
