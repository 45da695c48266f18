"""Waits for MPI that sleep: a blocking call of MPI burns its core until it returns, which another rank may need."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from rtsep.engine.process import Terminated

if TYPE_CHECKING:
    from mpi4py import MPI

_SHORTEST_NAP = 0.0001
_LONGEST_NAP = 0.002
_TEXT_BYTES = 1 << 14
_LAUNCHER = os.getppid()


def check_launcher() -> None:
    """Raise Terminated once the launcher that started this rank is gone."""
    if os.getppid() != _LAUNCHER:
        raise Terminated


def nap(seconds: float = _SHORTEST_NAP) -> None:
    """Give the core away for a moment. Raises Terminated as `check_launcher` does."""
    check_launcher()
    time.sleep(seconds)


def settle(request: MPI.Request) -> None:
    """Wait until `request` is complete, in naps that grow: what comes late costs 1 % of a core."""
    seconds = _SHORTEST_NAP
    while not request.Test():
        nap(seconds)
        seconds = min(2 * seconds, _LONGEST_NAP)


def broadcast(comm: MPI.Comm, text: str = "") -> str:
    """Rank 0's `text` on every rank; at most 16 KiB of UTF-8."""
    line = np.frombuffer(text.encode().ljust(_TEXT_BYTES), np.uint8).copy()
    if line.size != _TEXT_BYTES:
        raise ValueError(f"text of {line.size} bytes: at most {_TEXT_BYTES} can be broadcast")
    settle(comm.Ibcast(line))
    return line.tobytes().decode().rstrip(" ")


def barrier(comm: MPI.Comm) -> None:
    """Wait until every rank is here."""
    settle(comm.Ibarrier())
