"""Start and end of an MPI job: rank 0 tells the others what to compute, or sends them home; none is left waiting."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from rtsep.engine.local import warm_up
from rtsep.engine.mpi import MpiEngine, connect, serve
from rtsep.engine.process import INTERRUPTED, RankRecord, Terminated
from rtsep.engine.waiting import barrier, broadcast
from rtsep.errors import RtsepError
from rtsep.types import Separator

if TYPE_CHECKING:
    from mpi4py import MPI

    from rtsep.sparse.coder import Solver

_GO_HOME, _PREPARE = "", "prepare"
_FAREWELL_SECONDS = 0.5


@dataclass(frozen=True)
class Order:
    """What a worker has to know: the model and the solver to load, and the most channels that a chunk will have."""

    model: str
    solver: Solver
    n_channels: int


class Crew:
    """Rank 0's hold on the other ranks, which hear it and wait; at the end of the `with` block they are dismissed.

    `dismissed` is False afterwards where that was not possible in good order: when the launcher ends the job, after an
    interruption while they were being told something, or an error that nobody foresaw. The job ends by force then.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm = comm
        self._all_hear = True
        self._engine: MpiEngine | None = None
        self.dismissed = False
        self.records: dict[int, RankRecord] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        foreseen = error is None or isinstance(error, RtsepError | KeyboardInterrupt)
        if not (foreseen and self._all_hear) or isinstance(error, Terminated):
            return
        if self._engine is None:
            broadcast(self._comm, _GO_HOME)
        else:
            self.records = self._engine.close()
        self.dismissed = True

    def prepare(self) -> None:
        """There will probably be work: have the others import what it takes while rank 0 does."""
        self._all_hear = False
        broadcast(self._comm, _PREPARE)
        self._all_hear = True

    def start(self, order: Order, separator: Separator) -> MpiEngine:
        """Have the others load and warm up what rank 0 has loaded and compiled; returns when all are ready."""
        self._all_hear = False
        broadcast(self._comm, json.dumps(asdict(order)))
        self._engine = MpiEngine(self._comm, separator, order.n_channels)
        barrier(self._comm)
        self._all_hear = True
        return self._engine


def run_ranks(lead: Callable[[Crew], int], prepare: Callable[[], None], load: Callable[[Order], Separator]) -> NoReturn:
    """Run `lead` on rank 0, and on the others what it tells them; the job ends with the exit code of `lead`.

    `lead` itself says what goes wrong and is foreseen. Anything else that is raised, on any rank, ends all of them at
    once, with that rank's traceback.
    """
    comm = connect()
    try:
        if comm.rank == 0:
            crew = Crew(comm)
            code = lead(crew)
            if crew.dismissed:
                leave(comm, code)
            end_at_once(code)
        _work(comm, prepare, load)
        leave(comm, 0)
    except KeyboardInterrupt:
        end_at_once(INTERRUPTED)
    except RtsepError as error:
        print(f"rtsep: rank {comm.rank}: {error}", file=sys.stderr, flush=True)
        comm.Abort(2)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        comm.Abort(1)
    raise AssertionError("Abort has returned")


def leave_together(say: Callable[[], None], code: int) -> NoReturn:
    """Before there is any work: have rank 0 `say` why, and end the job with `code`. Every rank has to come here."""
    comm = connect()
    if comm.rank == 0:
        say()
    leave(comm, code if comm.rank == 0 else 0)


def _work(comm: MPI.Intracomm, prepare: Callable[[], None], load: Callable[[Order], Separator]) -> None:
    """What every rank but 0 does: wait for an order, load and warm up, serve until dismissed."""
    text = broadcast(comm)
    if text == _PREPARE:
        prepare()
        text = broadcast(comm)
    if text == _GO_HOME:
        return
    order = Order(**json.loads(text))
    separator = load(order)
    warm_up(separator, order.n_channels)
    barrier(comm)
    serve(comm, separator, order.n_channels)


def leave(comm: MPI.Intracomm, code: int) -> NoReturn:
    """End this process when all ranks have come this far."""
    from mpi4py import MPI

    barrier(comm)
    rank = comm.rank
    MPI.Finalize()
    if rank == 0 and code:
        # mpirun adds a banner of its own to a code other than 0, unless the other ranks are gone already.
        time.sleep(_FAREWELL_SECONDS)
    end_at_once(code)


def end_at_once(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
