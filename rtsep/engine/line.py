"""A line between rank 0 and another rank: short words both ways, no waiting; it notices when the other rank dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rtsep.engine.waiting import settle
from rtsep.types import Bytes

if TYPE_CHECKING:
    from mpi4py import MPI

Word = dict[str, Any]

_WORD_TAG, _DATA_TAG = 98, 99  # those of the slots are their numbers
_WORD_BYTES = 1 << 14


class PeerLost(Exception):
    """The rank at the other end is dead."""


@contextmanager
def noticing_death() -> Iterator[None]:
    """Raise PeerLost where MPI says that the other end of a message is dead."""
    try:
        yield
    except Exception as error:
        if is_death(error):
            raise PeerLost from None
        raise


def is_death(error: Exception) -> bool:
    """Whether MPI says by `error` that the other end of a message is dead (MPI-5, ULFM: ERR_PROC_FAILED)."""
    from mpi4py import MPI

    return isinstance(error, MPI.Exception) and error.Get_error_class() == MPI.ERR_PROC_FAILED


class Line:
    """One end of it, alike on both sides. All methods raise PeerLost once the rank at the other end is dead."""

    def __init__(self, comm: MPI.Comm, peer: int) -> None:
        self._comm = comm
        self._peer = peer
        self._said: list[tuple[MPI.Request, Bytes]] = []
        self._listen()

    def say(self, word: Word) -> None:
        """Send a word, at most 16 KiB of JSON, on its way."""
        line = np.frombuffer(json.dumps(word).encode().ljust(_WORD_BYTES), np.uint8).copy()
        if line.size != _WORD_BYTES:
            raise ValueError(f"a word of {line.size} bytes: at most {_WORD_BYTES} can be said")
        with noticing_death():
            self._said.append((self._comm.Isend(line, self._peer, _WORD_TAG), line))

    def say_and_see_off(self, word: Word) -> None:
        """Send a word and wait until it is taken; for who does not look at MPI for a while afterwards."""
        self.say(word)
        with noticing_death():
            for request, _ in self._said:
                settle(request)
        self._said.clear()

    def send(self, data: Bytes) -> None:
        """Send bytes on their way, of which the other end knows how many they are; nobody may change them any more."""
        with noticing_death():
            self._said.append((self._comm.Isend(data, self._peer, _DATA_TAG), data))

    def receive(self, n_bytes: int) -> Bytes:
        """The bytes that were sent, once they are there."""
        data = np.empty(n_bytes, np.uint8)
        with noticing_death():
            settle(self._comm.Irecv(data, self._peer, _DATA_TAG))
        return data

    def hear(self) -> Word | None:
        """The next word from the other end, or None if there is none yet."""
        with noticing_death():
            self._said = [(request, line) for request, line in self._said if not request.Test()]
            if not self._receive.Test():
                return None
        word: Word = json.loads(self._heard.tobytes())
        self._listen()
        return word

    def close(self) -> None:
        """Listen no more; both ends have said what they had to say."""
        self._receive.Cancel()
        self._receive.Wait()

    def _listen(self) -> None:
        self._heard = np.zeros(_WORD_BYTES, np.uint8)
        with noticing_death():
            self._receive = self._comm.Irecv(self._heard, self._peer, _WORD_TAG)
