"""Memory that two processes of a host share: chunks and stems lie there, and messages only say so."""

from __future__ import annotations

import mmap
import os
import socket
from typing import Any

import numpy as np

from rtsep.types import Bytes

Place = dict[str, Any]
"""Where memory is: as JSON it tells another process, who has it."""


def make_shared(n_bytes: int) -> tuple[Bytes, Place] | tuple[None, None]:
    """New memory and where it is; None where the system has no files without a name (Linux: memfd_create).

    It needs no room in /dev/shm, and is gone with the last process that has it open.
    """
    try:
        file = os.memfd_create("rtsep")
        os.ftruncate(file, n_bytes)
        memory = np.frombuffer(mmap.mmap(file, n_bytes), np.uint8)
    except (AttributeError, OSError):
        return None, None
    return memory, {"host": socket.gethostname(), "pid": os.getpid(), "file": file}


def open_shared(place: Place | None, n_bytes: int) -> Bytes | None:
    """The memory at `place`; None if that is on another host, or this process is not allowed to see it."""
    if place is None or place["host"] != socket.gethostname():
        return None
    try:
        file = os.open(f"/proc/{place['pid']}/fd/{place['file']}", os.O_RDWR)
        try:
            if os.fstat(file).st_size != n_bytes:
                return None
            return np.frombuffer(mmap.mmap(file, n_bytes), np.uint8)
        finally:
            os.close(file)
    except OSError:
        return None
