"""Waking a process that sleeps: a datagram to a socket of its own, which has a name on its host and no file."""

from __future__ import annotations

import secrets
import select
import socket
from contextlib import suppress

from rtsep.engine.waiting import check_launcher


class Bell:
    """That of this process: `nap` ends when another rings. Its `name` is empty where the system has none (Linux has).

    Names of this kind are a network namespace's own, so that what is rung elsewhere is heard by nobody.
    """

    def __init__(self) -> None:
        self.name = f"rtsep-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(_address(self.name))
        except OSError:
            self.name = ""

    def nap(self, seconds: float) -> None:
        """Sleep until it rings, but no longer than this. Raises Terminated as `check_launcher` does."""
        check_launcher()
        if select.select([self._socket], [], [], seconds)[0]:
            self._socket.recv(1)

    def close(self) -> None:
        self._socket.close()


def ring(name: str) -> None:
    """Wake the process whose bell has this name, if it is on this host."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(b"!", _address(name))


def _address(name: str) -> str:
    return f"\0{name}"
