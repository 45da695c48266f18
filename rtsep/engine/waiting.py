"""Waits for MPI that sleep: a blocking call of MPI burns its core until it returns, which another rank may need."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

_NAP_SECONDS = 0.0003
_SETUP_NAP_SECONDS = 0.005
_TEXT_BYTES = 1 << 14
_LAUNCHER = os.getppid()


def nap(seconds: float = _NAP_SECONDS) -> None:
    """Give the core away for a moment. Raises KeyboardInterrupt once the launcher that started this rank is gone."""
    if os.getppid() != _LAUNCHER:
        raise KeyboardInterrupt
    time.sleep(seconds)


def settle(request: MPI.Request, seconds: float = _NAP_SECONDS) -> None:
    """Wait until `request` is complete."""
    while not request.Test():
        nap(seconds)


def broadcast(comm: MPI.Comm, text: str = "") -> str:
    """Rank 0's `text`, on every rank; at most 16 KiB of UTF-8."""
    line = np.frombuffer(text.encode().ljust(_TEXT_BYTES), np.uint8).copy()
    if line.size != _TEXT_BYTES:
        raise ValueError(f"text of {line.size} bytes: at most {_TEXT_BYTES} are broadcast")
    settle(comm.Ibcast(line), _SETUP_NAP_SECONDS)
    return line.tobytes().decode().rstrip(" ")


def barrier(comm: MPI.Comm) -> None:
    """Wait until every rank is here."""
    settle(comm.Ibarrier(), _SETUP_NAP_SECONDS)
