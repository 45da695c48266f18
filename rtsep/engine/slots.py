"""The messages of chunks and stems: memory that MPI is told of once, and sends and fills over and over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rtsep.types import F32, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

SLOTS = 2  # of a worker: it computes the chunk of one while that of the other is already there
_HEADER = np.dtype([("index", "i8"), ("n_channels", "i8"), ("compute_seconds", "f8")])


class Parcel:
    """One message's memory: a header, and samples `(*shape, n_channels)` of up to `max_channels` channels."""

    def __init__(self, shape: tuple[int, ...], max_channels: int) -> None:
        self._shape = shape
        self.bytes = np.zeros(_HEADER.itemsize + 4 * math.prod(shape) * max_channels, np.uint8)
        self.header = self.bytes[: _HEADER.itemsize].view(_HEADER)[0]

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


class Slot:
    """A chunk from rank 0 to a worker and its stems back, over and over in the same memory; alike on both sides."""

    def __init__(self, comm: MPI.Comm, peer: int, tag: int, separator: Separator, max_channels: int) -> None:
        shape = separator.shape
        self.chunk = Parcel((shape.input_length,), max_channels)
        self.stems = Parcel((len(separator.stems), shape.output_length), max_channels)
        outgoing, incoming = (self.chunk, self.stems) if comm.rank == 0 else (self.stems, self.chunk)
        self._send = comm.Send_init(outgoing.bytes, peer, tag)
        self._receive = comm.Recv_init(incoming.bytes, peer, tag)
        self._awaiting = False

    def listen(self) -> None:
        """Await the next parcel from the other side."""
        self._receive.Start()
        self._awaiting = True

    def send(self) -> None:
        """Send this side's parcel on its way."""
        self._send.Start()

    def sent(self) -> bool:
        """Whether it has been taken."""
        return bool(self._send.Test())

    def arrived(self) -> bool:
        """Whether the parcel that was awaited is there."""
        self._awaiting = self._awaiting and not self._receive.Test()
        return not self._awaiting

    def close(self) -> None:
        """Give MPI back what it knows of the memory: what is on its way arrives, what was not sent is not awaited."""
        if self._awaiting:
            self._receive.Cancel()
        for request in (self._receive, self._send):
            request.Wait()
            request.Free()
