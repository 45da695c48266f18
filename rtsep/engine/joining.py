"""Joining the ranks that were launched together; and what becomes of the job if one dies before MPI is up.

MPI's start waits for all ranks, also for one that is dead (Open MPI 5.0, with ULFM too): rank 0 then starts again as a
process by itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from rtsep.engine.process import DEAD_RANKS, dead_siblings, on_one_host, survives_deaths, world_rank

if TYPE_CHECKING:
    from mpi4py import MPI

_LOOK_SECONDS = 0.05
_DOUBT_SECONDS = 3.0  # between a rank's death and its being taken for why MPI is not up; also launching takes a moment
_LAUNCHER_S_VARIABLES = ("OMPI_", "PMIX_", "PRTE_")


def connect() -> MPI.Intracomm:
    """Join the ranks that were launched together; they are joined once, whenever it is asked for."""
    if on_one_host():
        # Looking for a network's fabric takes Open MPI a second, and one machine needs none.
        os.environ.setdefault("OMPI_MCA_btl", "^ofi")
    # With more ranks than cores Open MPI gives the core away whenever it is asked in vain: for milliseconds by
    # sched_yield, as rank 0 asks while its own thread and another rank compute; for microseconds by a nap.
    os.environ.setdefault("OMPI_MCA_threads_pthreads_yield_strategy", "nanosleep")
    import mpi4py

    mpi4py.rc.initialize = False
    from mpi4py import MPI

    if MPI.Is_initialized():
        return MPI.COMM_WORLD
    if survives_deaths():
        _start_watching(MPI.__file__, MPI.THREAD_SERIALIZED)
        MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)
    else:
        MPI.Init_thread(MPI.THREAD_SERIALIZED)
    return MPI.COMM_WORLD


def _start_watching(library: str, level: int) -> None:
    """Start MPI on a thread, and look after the other ranks of this host meanwhile: mpi4py's start blocks Python."""
    start = ctypes.CDLL(library).MPI_Init_thread
    thread = threading.Thread(target=start, args=(None, None, level, ctypes.byref(ctypes.c_int())), daemon=True)
    thread.start()
    all_alive = time.monotonic()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        if not (dead := dead_siblings()):
            all_alive = time.monotonic()
        elif time.monotonic() - all_alive > _DOUBT_SECONDS * (1 + world_rank()):
            _go_on_alone(dead)


def _go_on_alone(dead: list[int]) -> None:
    """Rank 0: start this program again without the launcher's variables. The others end."""
    if world_rank() > 0:
        os._exit(0)
    own = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHER_S_VARIABLES)}
    own[DEAD_RANKS] = ",".join(map(str, dead))
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], own)
