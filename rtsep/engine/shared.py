"""Memory that two processes of a host share: chunks and stems lie there, and messages only say so."""

from __future__ import annotations

import mmap
import os
import secrets
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
        name = f"rtsep-{secrets.token_hex(8)}"
        file = os.memfd_create(name)
        os.ftruncate(file, n_bytes)
        memory = np.frombuffer(mmap.mmap(file, n_bytes), np.uint8)
    except (AttributeError, OSError):
        return None, None
    return memory, {"host": socket.gethostname(), "pid": os.getpid(), "file": file, "name": name}


def open_shared(place: Place | None, n_bytes: int) -> Bytes | None:
    """The memory at `place`; None if that is on another host, or this process is not allowed to see it.

    Two containers may well have one host name and the same process numbers: the memory's own name tells.
    """
    if place is None or place["host"] != socket.gethostname():
        return None
    try:
        path = f"/proc/{place['pid']}/fd/{place['file']}"
        if os.readlink(path) != f"/memfd:{place['name']} (deleted)":
            return None
        file = os.open(path, os.O_RDWR)
        try:
            if os.fstat(file).st_size != n_bytes:
                return None
            return np.frombuffer(mmap.mmap(file, n_bytes), np.uint8)
        finally:
            os.close(file)
    except OSError:
        return None
