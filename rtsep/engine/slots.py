"""The messages of chunks and stems: memory that MPI is told of once, and sends and fills over and over."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rtsep.types import F32, Bytes, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

SLOTS = 2  # of a worker: it computes the chunk of one while that of the other is already there
_HEADER = np.dtype([("index", "i8"), ("n_channels", "i8"), ("compute_seconds", "f8")])


class Parcel:
    """One chunk's or its stems' memory: a header, and samples `(*shape, n_channels)` of as many channels as fit."""

    def __init__(self, memory: Bytes, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self.bytes = memory
        self.header = memory[: _HEADER.itemsize].view(_HEADER)[0]

    @property
    def samples(self) -> F32:
        """The samples, as many channels of them as the header says."""
        shape = (*self._shape, int(self.header["n_channels"]))
        return self.bytes[_HEADER.itemsize :].view(np.float32)[: math.prod(shape)].reshape(shape)

    def fill(self, index: int, samples: F32) -> None:
        """Put the samples of chunk `index` in."""
        self.header["index"] = index
        self.header["n_channels"] = samples.shape[-1]
        self.samples[:] = samples


def slots_bytes(separator: Separator, max_channels: int) -> int:
    """The memory of all slots of a worker."""
    return SLOTS * sum(_sizes(separator, max_channels))


def make_slots(comm: MPI.Comm, peer: int, separator: Separator, max_channels: int, shared: Bytes | None) -> list[Slot]:
    """Those between this rank and `peer`, in memory that both share if there is any; alike on both sides."""
    sizes = _sizes(separator, max_channels)
    memory = np.zeros(SLOTS * sum(sizes), np.uint8) if shared is None else shared
    slots = []
    for tag in range(SLOTS):
        own = memory[tag * sum(sizes) : (tag + 1) * sum(sizes)]
        chunk = Parcel(own[: sizes[0]], (separator.shape.input_length,))
        stems = Parcel(own[sizes[0] :], (len(separator.stems), separator.shape.output_length))
        slots.append(Slot(comm, peer, tag, chunk, stems, shared is not None))
    return slots


def _sizes(separator: Separator, max_channels: int) -> tuple[int, int]:
    """Bytes of a chunk and of its stems with their headers."""
    shape = separator.shape
    counts = (shape.input_length, len(separator.stems) * shape.output_length)
    return _rounded(counts[0] * max_channels), _rounded(counts[1] * max_channels)


def _rounded(n_samples: int) -> int:
    return _HEADER.itemsize * (1 + -(-4 * n_samples // _HEADER.itemsize))


class Slot:
    """A chunk from rank 0 to a worker and its stems back, over and over in the same memory.

    A message holds the parcel, or where memory is shared one byte that says that it is there.
    """

    def __init__(self, comm: MPI.Comm, peer: int, tag: int, chunk: Parcel, stems: Parcel, is_shared: bool) -> None:
        self.chunk = chunk
        self.stems = stems
        outgoing, incoming = (chunk, stems) if comm.rank == 0 else (stems, chunk)
        self._messages = [np.zeros(1, np.uint8) for _ in range(2)] if is_shared else [outgoing.bytes, incoming.bytes]
        self._send = partial(comm.Isend, self._messages[0], peer, tag)
        self._on_its_way: MPI.Request | None = None
        self._receive = comm.Recv_init(self._messages[1], peer, tag)
        self._awaiting = False

    def listen(self) -> None:
        """Await the next parcel from the other side."""
        self._receive.Start()
        self._awaiting = True

    def send(self) -> None:
        """Send this side's parcel on its way."""
        # No persistent request: a byte's would be done only when the other side has looked (Open MPI 5.0).
        self._on_its_way = self._send()

    def sent(self) -> bool:
        """Whether it has been taken."""
        return self._on_its_way is None or bool(self._on_its_way.Test())

    def arrived(self) -> bool:
        """Whether the parcel that was awaited is there."""
        self._awaiting = self._awaiting and not self._receive.Test()
        return not self._awaiting

    def close(self) -> None:
        """Give MPI back what it knows of the memory: what is on its way arrives, what was not sent is not awaited."""
        if self._awaiting:
            self._receive.Cancel()
        self._receive.Wait()
        self._receive.Free()
        if self._on_its_way:
            self._on_its_way.Wait()
