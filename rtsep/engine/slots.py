"""The messages of chunks and stems: memory that MPI is told of once, and sends and fills over and over."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rtsep.types import F32, Bytes, Chunk, ChunkResult, Separator, Target

if TYPE_CHECKING:
    from mpi4py import MPI

SLOTS = 2  # of a worker: it computes the chunk of one while that of the other is already there
_FOLDER_BYTES = 960
_HEADER = np.dtype(
    [
        ("index", "i8"),
        ("n_samples", "i8"),
        ("n_channels", "i8"),
        # Of stems.
        ("compute_seconds", "f8"),
        ("is_written", "i8"),
        # Of a chunk: its target; without a folder it has none.
        ("start", "i8"),
        ("end", "i8"),
        ("folder", f"S{_FOLDER_BYTES}"),
    ]
)


class _Parcel:
    """Memory of a header and of samples `(..., n_samples, n_channels)`, as many as fit; the header says how many."""

    def __init__(self, memory: Bytes) -> None:
        self.bytes = memory
        self._header = memory[: _HEADER.itemsize].view(_HEADER)[0]

    def _samples(self, *rows: int) -> F32:
        """The samples `(*rows, n_samples, n_channels)`."""
        shape = (*rows, int(self._header["n_samples"]), int(self._header["n_channels"]))
        return self.bytes[_HEADER.itemsize :].view(np.float32)[: math.prod(shape)].reshape(shape)

    def _fill(self, index: int, samples: F32) -> None:
        self._header["index"] = index
        self._header["n_samples"], self._header["n_channels"] = samples.shape[-2:]
        self._samples(*samples.shape[:-2])[:] = samples


class ChunkParcel(_Parcel):
    """A chunk's memory. Its target goes with it where both sides see the same files, on one host."""

    def __init__(self, memory: Bytes, sees_files: bool) -> None:
        super().__init__(memory)
        self._sees_files = sees_files

    def put(self, chunk: Chunk) -> None:
        """Put a chunk in."""
        self._fill(chunk.index, chunk.samples)
        target, folder = chunk.target, os.fsencode(chunk.target.folder) if chunk.target else b""
        if target and self._sees_files and len(folder) <= _FOLDER_BYTES:
            self._header["start"], self._header["end"], self._header["folder"] = target.start, target.end, folder
        else:
            self._header["folder"] = b""

    def take(self) -> Chunk:
        """The chunk, whose samples are this memory."""
        header = self._header
        folder = os.fsdecode(bytes(header["folder"]))
        target = Target(folder, int(header["start"]), int(header["end"])) if folder else None
        return Chunk(int(header["index"]), self._samples(), target)


class StemsParcel(_Parcel):
    """The memory of a chunk's result."""

    def __init__(self, memory: Bytes, n_stems: int) -> None:
        super().__init__(memory)
        self._n_stems = n_stems

    def put(self, result: ChunkResult) -> None:
        """Put a result in."""
        self._fill(result.index, result.stems)
        self._header["compute_seconds"] = result.compute_seconds
        self._header["is_written"] = result.is_written

    def take(self, rank: int) -> ChunkResult:
        """A copy of the result, which `rank` has computed."""
        header = self._header
        stems = self._samples(self._n_stems).copy()
        seconds = float(header["compute_seconds"])
        return ChunkResult(int(header["index"]), stems, rank, seconds, bool(header["is_written"]))


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
        chunk = ChunkParcel(own[: sizes[0]], sees_files=shared is not None)
        stems = StemsParcel(own[sizes[0] :], len(separator.stems))
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

    def __init__(
        self, comm: MPI.Comm, peer: int, tag: int, chunk: ChunkParcel, stems: StemsParcel, is_shared: bool
    ) -> None:
        self.chunk = chunk
        self.stems = stems
        outgoing, incoming = (chunk.bytes, stems.bytes) if comm.rank == 0 else (stems.bytes, chunk.bytes)
        self._messages = [np.zeros(1, np.uint8) for _ in range(2)] if is_shared else [outgoing, incoming]
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
