"""Waits for MPI that sleep: a blocking call of MPI burns its core until it returns, which another rank may need."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtsep.engine.process import Terminated

if TYPE_CHECKING:
    from mpi4py import MPI

_SHORTEST_NAP = 0.0001
LONGEST_NAP = 0.05
NAP_SHARE = 0.05  # of the wait so far
_LOOKS_BEFORE_NAPS = 10  # MPI takes two or three to see what is there; who naps may get his core back 3 ms later
_LAUNCHER = os.getppid()


def check_launcher() -> None:
    """Raise Terminated once the launcher that started this rank is gone."""
    if os.getppid() != _LAUNCHER:
        raise Terminated


def nap(seconds: float = _SHORTEST_NAP) -> None:
    """Give the core away for a moment. Raises Terminated as `check_launcher` does."""
    check_launcher()
    time.sleep(seconds)


def wait_until(
    done: Callable[[], bool], sleep: Callable[[float], None] = nap, longest_nap: float = LONGEST_NAP
) -> None:
    """Ask until it is, in naps that grow: what comes late is noticed 5 % later, and waiting long costs little.

    Thirty idle ranks that asked every 2 ms took two thirds of a core from those that had work.
    """
    if any(done() for _ in range(_LOOKS_BEFORE_NAPS)):
        return
    started = time.monotonic()
    while not done():
        sleep(min(max(_SHORTEST_NAP, NAP_SHARE * (time.monotonic() - started)), longest_nap))


def settle(request: MPI.Request) -> None:
    """Wait until `request` is complete."""
    wait_until(request.Test)


def barrier(comm: MPI.Comm) -> None:
    """Wait until every rank is here."""
    settle(comm.Ibarrier())
