"""How a process of an MPI job ends: with the others, at once, or as one of them has died; and who says so."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NoReturn

from rtsep.engine.joining import connect
from rtsep.engine.line import PeerLost
from rtsep.engine.process import INTERRUPTED, open_launcher_stderr, survives_deaths
from rtsep.engine.waiting import barrier
from rtsep.last_will import LastWill

if TYPE_CHECKING:
    from mpi4py import MPI

_FAREWELL_SECONDS = 0.5
_LAUNCHER_SECONDS = 1
_DIED = "rtsep: rank {} died, and with it the job; start it again"


def run_to_its_end(comm: MPI.Intracomm, part: Callable[[], NoReturn]) -> NoReturn:
    """Run `part`, which ends this process; so does an interruption, or a death without which the job cannot go on.

    Anything else that is raised ends all ranks, with its traceback.
    """
    try:
        part()
    except KeyboardInterrupt:
        end_at_once(INTERRUPTED)
    except PeerLost:
        end_after_death(comm)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        comm.Abort(1)
    raise AssertionError("Abort has returned")


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
    if MPI.get_vendor()[0] == "MPICH":
        _exit_in_c(code)
    end_at_once(code)


def _exit_in_c(code: int) -> NoReturn:
    """End this process with what C has to do at its end, but nothing of Python's, which may wait for threads.

    MPICH (5.0) tells its launcher only then that MPI has ended; of who is gone without, it thinks that it has crashed,
    and kills the others.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).exit(code)
    raise AssertionError("exit has returned")


def end_at_once(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def telling_of_death() -> AbstractContextManager[object]:
    """On rank 0: have its death told if it dies meanwhile; under ULFM another rank does, as it may live on."""
    if survives_deaths():
        return nullcontext()
    return LastWill('echo "$1" >&2', _DIED.format(0), stderr=open_launcher_stderr() or sys.stderr)


def end_launcher_later() -> None:
    """See that the launcher ends too: of a host that is cut off it hears nothing, and would wait for it.

    Open MPI's ends without at one of the next SIGTERMs, which another process has to send: MPI's abort ends this one.
    """
    often = f"for _ in 1 2 3 4 5 6; do sleep {_LAUNCHER_SECONDS}; kill -TERM {os.getppid()} || exit; done"
    nowhere = subprocess.DEVNULL
    subprocess.Popen(["sh", "-c", often], start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)
