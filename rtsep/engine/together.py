"""A job that all ranks do alike, each on its part of the data: their sums, their errors, and how they end together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtsep.engine.ending import end_at_once, leave, run_to_its_end
from rtsep.engine.joining import connect
from rtsep.engine.line import noticing_death
from rtsep.engine.process import INTERRUPTED, survives_deaths
from rtsep.engine.waiting import barrier, settle
from rtsep.errors import RtsepError
from rtsep.sparse.ranks import Ranks

if TYPE_CHECKING:
    from mpi4py import MPI

T = TypeVar("T")

_LINE_BYTES = 2048
_FAREWELL_SECONDS = 0.3


class MpiRanks:
    """The ranks of `comm`, as what runs on them sees it: `rtsep.sparse.ranks.Ranks`."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm = comm

    @property
    def rank(self) -> int:
        return int(self._comm.rank)

    @property
    def size(self) -> int:
        return int(self._comm.size)

    def sum(self, array: NDArray[np.float64]) -> None:
        """Replace `array` on every rank by its sum over all of them."""
        from mpi4py import MPI

        # Whoever comes first sleeps until all are here; the sum itself is quick, and a nap would hold it up.
        barrier(self._comm)
        self._comm.Allreduce(MPI.IN_PLACE, array)

    def together(self, part: Callable[[], T]) -> T:
        """The result of this rank's `part`. An RtsepError that any rank's part raises is raised on all of them."""
        try:
            result = part()
        except RtsepError as error:
            self._tell(str(error))
            raise
        if line := self._tell(""):
            raise RtsepError(line)
        return result

    def _tell(self, line: str) -> str:
        """The line of the first rank that has one."""
        own = np.frombuffer(line.encode()[:_LINE_BYTES].ljust(_LINE_BYTES), np.uint8)
        lines = np.empty((self.size, _LINE_BYTES), np.uint8)
        settle(self._comm.Iallgather(own, lines))
        told = (row.tobytes().decode(errors="replace").rstrip(" ") for row in lines)
        return next(filter(None, told), "")


def run_together(task: Callable[[Ranks], int]) -> NoReturn:
    """Run `task` on every rank; the job ends with the exit code of rank 0's.

    `task` itself says what goes wrong and is foreseen; it has to go wrong on all ranks alike, which `Ranks.together`
    sees to. Anything else that is raised, on any rank, ends all of them at once, with that rank's traceback.
    """
    comm = connect()

    def part() -> NoReturn:
        with noticing_death():
            code = task(MpiRanks(comm))
            if code == INTERRUPTED:
                end_at_once(code)
            barrier(comm)
        if survives_deaths():
            time.sleep(_FAREWELL_SECONDS)  # who is gone before the others have heard the last word is dead to them
        leave(comm, code if comm.rank == 0 else 0)

    run_to_its_end(comm, part)
