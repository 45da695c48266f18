"""The engine of an MPI job: rank 0 hands out chunks and takes their stems back; the other ranks `serve`.

Two slots tie each worker to rank 0: it computes the chunk of one while that of the other is already there. A slot is
a pair of messages prepared once, a chunk there and its stems back; raw bytes, nothing pickled, no collective call.
All calls to MPI come from the main thread, and none of them blocks.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from rtsep.engine.local import compute
from rtsep.engine.process import RankRecord, on_one_host, peak_memory_bytes
from rtsep.engine.schedule import Worker, run_in_order
from rtsep.engine.waiting import check_launcher, nap, settle
from rtsep.types import F32, Chunk, ChunkResult, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

_SLOTS = 2
_HEADER = np.dtype(
    [
        ("kind", "i8"),
        ("index", "i8"),
        ("n_channels", "i8"),
        ("compute_seconds", "f8"),
        ("peak_bytes", "i8"),
        ("message_seconds", "f8"),
    ]
)
_CHUNK, _STOP = range(2)
_HELD_BYTES = 32 << 20
_LOOK_SECONDS = 0.002  # a look costs 0.02 ms; a worker that is not looked at has its next chunk already


def connect() -> MPI.Intracomm:
    """Join the ranks that were launched together."""
    if on_one_host():
        # Looking for a network's fabric takes Open MPI a second, and one machine needs none.
        os.environ.setdefault("OMPI_MCA_btl", "^ofi")
    import mpi4py

    mpi4py.rc.thread_level = "serialized"
    from mpi4py import MPI

    return MPI.COMM_WORLD


class _Parcel:
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


class _Slot:
    """A chunk from rank 0 to a worker and its stems back, over and over in the same memory; alike on both sides."""

    def __init__(self, comm: MPI.Comm, peer: int, tag: int, separator: Separator, max_channels: int) -> None:
        shape = separator.shape
        self.chunk = _Parcel((shape.input_length,), max_channels)
        self.stems = _Parcel((len(separator.stems), shape.output_length), max_channels)
        outgoing, incoming = (self.chunk, self.stems) if comm.rank == 0 else (self.stems, self.chunk)
        self.send = comm.Send_init(outgoing.bytes, peer, tag)
        self.receive = comm.Recv_init(incoming.bytes, peer, tag)

    def free(self) -> None:
        """Give MPI back what it knows of the memory; both messages must be at rest."""
        self.send.Free()
        self.receive.Free()


class _RemoteWorker:
    """Rank 0's view of another rank, which computes in the order it is handed: only the oldest slot is looked at."""

    room = _SLOTS

    def __init__(self, comm: MPI.Comm, rank: int, separator: Separator, max_channels: int) -> None:
        self.rank = rank
        self._idle = deque(_Slot(comm, rank, tag, separator, max_channels) for tag in range(_SLOTS))
        self._busy: deque[_Slot] = deque()
        self.message_seconds = 0.0

    @property
    def load(self) -> int:
        return len(self._busy)

    def hand(self, chunk: Chunk) -> None:
        started = time.perf_counter()
        self._idle[0].chunk.fill(chunk.index, chunk.samples)
        self._start(_CHUNK)
        self.message_seconds += time.perf_counter() - started

    def collect(self) -> ChunkResult | None:
        if not self._busy or not self._busy[0].receive.Test():
            return None
        started = time.perf_counter()
        stems = self._take_oldest()
        samples, header = stems.samples.copy(), stems.header
        self.message_seconds += time.perf_counter() - started
        return ChunkResult(int(header["index"]), samples, self.rank, float(header["compute_seconds"]))

    def dismiss(self) -> RankRecord:
        """End the worker's `serve`, once it holds no chunk; returns what it has to say of itself."""
        for _ in range(_SLOTS):
            self._start(_STOP)
        for slot in list(self._busy):
            settle(slot.receive)
            header = self._take_oldest().header
            record = RankRecord(int(header["peak_bytes"]), float(header["message_seconds"]))
            slot.free()
        return record

    def _start(self, kind: int) -> None:
        slot = self._idle.popleft()
        slot.chunk.header["kind"] = kind
        slot.receive.Start()
        slot.send.Start()
        self._busy.append(slot)

    def _take_oldest(self) -> _Parcel:
        """What the worker answered in its oldest slot, which is idle again."""
        slot = self._busy.popleft()
        slot.send.Wait()  # at once: what is answered has arrived
        self._idle.append(slot)
        return slot.stems


class _OwnThread:
    """Rank 0's own computing, on a thread, so that neither messages nor files wait for it."""

    room = 1

    def __init__(self, separator: Separator) -> None:
        self._separator = separator
        self._thread = ThreadPoolExecutor(1)
        self._task: Future[ChunkResult] | None = None

    @property
    def load(self) -> int:
        return int(self._task is not None)

    def hand(self, chunk: Chunk) -> None:
        self._task = self._thread.submit(compute, self._separator, chunk)

    def collect(self) -> ChunkResult | None:
        if self._task is None or not self._task.done():
            return None
        task, self._task = self._task, None
        return task.result()

    def wait(self, seconds: float) -> None:
        """Wait until the chunk is done, but no longer than this."""
        if self._task is None:
            nap(seconds)
        else:
            wait([self._task], seconds)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


class MpiEngine:
    """Rank 0's engine over all ranks of `comm`, itself included; the others must be in `serve` with the same arguments.

    Chunks may differ in channels, up to `max_channels`. Memory: two slots a worker and at most 32 MiB of results that
    wait for their turn.
    """

    def __init__(self, comm: MPI.Comm, separator: Separator, max_channels: int) -> None:
        self._remote = [_RemoteWorker(comm, rank, separator, max_channels) for rank in range(1, comm.size)]
        self._own = _OwnThread(separator)
        self._workers: list[Worker] = [*self._remote, self._own]
        result_bytes = 4 * len(separator.stems) * separator.shape.output_length * max_channels
        room = sum(worker.room for worker in self._workers)
        self._window = min(room + len(self._workers), max(len(self._workers) + 1, _HELD_BYTES // result_bytes))

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkResult]:
        """The results of `chunks`, numbered from 0, in their order, whichever rank computed them."""
        return run_in_order(self._workers, chunks, self._window, self._rest)

    def close(self) -> dict[int, RankRecord]:
        """End `serve` on the other ranks, throwing away what they still hold; returns the records of all."""
        for worker in self._remote:
            while worker.load:
                if worker.collect() is None:
                    nap()
        own = RankRecord(peak_memory_bytes(), sum(worker.message_seconds for worker in self._remote))
        records = {0: own} | {worker.rank: worker.dismiss() for worker in self._remote}
        self._own.close()
        return records

    def _rest(self) -> None:
        """Sleep until rank 0 itself is done, or until it is time to look at the others."""
        check_launcher()
        self._own.wait(_LOOK_SECONDS)


def serve(comm: MPI.Comm, separator: Separator, max_channels: int) -> None:
    """Compute what rank 0's engine hands out, until it is closed. Raises what `separator` raises."""
    slots = deque(_Slot(comm, 0, tag, separator, max_channels) for tag in range(_SLOTS))
    for slot in slots:
        slot.receive.Start()
    message_seconds = 0.0
    while slots:
        slot = slots.popleft()
        settle(slot.receive)
        if slot.chunk.header["kind"] == _STOP:
            slot.stems.header["peak_bytes"] = peak_memory_bytes()
            slot.stems.header["message_seconds"] = message_seconds
            _answer(slot)
            slot.free()
        else:
            result = compute(separator, Chunk(int(slot.chunk.header["index"]), slot.chunk.samples), comm.rank)
            started = time.perf_counter()
            slot.stems.header["compute_seconds"] = result.compute_seconds
            slot.stems.fill(result.index, result.stems)
            slot.receive.Start()
            _answer(slot)
            message_seconds += time.perf_counter() - started
            slots.append(slot)


def _answer(slot: _Slot) -> None:
    """Send the stems and see them off: a large message takes both ends, and would else wait for the next chunk."""
    slot.send.Start()
    settle(slot.send)
