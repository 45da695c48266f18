"""Rank 0's view of another rank: what it was told, what it holds, and whether it is dead, or silent for too long."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rtsep.engine.bell import ring
from rtsep.engine.line import Line, PeerLost, Word, is_death
from rtsep.engine.process import RankRecord
from rtsep.engine.schedule import Pace
from rtsep.engine.shared import make_shared
from rtsep.engine.slots import SLOTS, Slot, make_slots, slots_bytes
from rtsep.engine.worker import Order
from rtsep.errors import RtsepError
from rtsep.types import Bytes, Chunk, ChunkResult, Separator

if TYPE_CHECKING:
    from mpi4py import MPI

T = TypeVar("T")

# A rank that has done what it was asked has nothing to say but how it failed. Each question put to MPI may cost rank 0
# its core for a while: asking thirty ranks in reserve every 20 ms took half of its time. One that has chunks is asked
# for them in every round, and its death is seen there.
_LISTEN_SECONDS, _SELDOM = 0.02, 0.5


class RankFailed(Exception):
    """An error that nobody foresaw, on another rank; the message is its traceback."""


@dataclass(frozen=True)
class Task:
    """What ranks are called up for: the order, the bytes of the model file, what that is here, and the pace of all.

    A rank gets up to `longest_run` chunks in a row.
    """

    order: Order
    model: Bytes
    separator: Separator
    pace: Pace
    longest_run: int


class RemoteWorker:
    """Another rank as a `schedule.Worker`. It computes in the order it is handed: only the oldest slot is looked at.

    `called`: it was given a task, for which it is `ready` once it has loaded what that takes. `in_reserve`: others are
    to work in its place. `lost`: it is dead. `stalled`: it has not answered for longer than the pace allows; it is
    handed nothing until it does, and that answer is thrown away. `gone`: it has said that it leaves, and left its
    `record`.
    """

    def __init__(self, comm: MPI.Comm, rank: int) -> None:
        self.rank = rank
        self.called = self.ready = self.lost = self.stalled = self.gone = False
        self._record = RankRecord()
        self.message_seconds = 0.0
        self._comm = comm
        self._line = Line(comm, rank)
        self._here: Word = {}
        self.in_reserve = True
        self._idle: deque[Slot] = deque()
        self._held: deque[tuple[Slot, int | None]] = deque()
        self._since = self._listen_at = time.monotonic()
        self._pace = Pace(0.0)
        self._make_slots: Callable[[bool], list[Slot]] = lambda _: []

    @property
    def room(self) -> int:
        return SLOTS if self.ready and self.is_fit and not self.in_reserve else 0

    @property
    def is_fit(self) -> bool:
        """Whether it could compute, maybe after it has loaded what that takes."""
        return bool(self._here) and not (self.lost or self.stalled or self.gone)

    @property
    def is_settled(self) -> bool:
        """Whether it has done what was asked of it so far: to be there, or to be ready."""
        return self.lost or (self.ready if self.called else bool(self._here))

    @property
    def load(self) -> int:
        return len(self._held)

    @property
    def record(self) -> RankRecord:
        """What it said of itself when it left, and what became of it."""
        return replace(self._record, fate="died" if self.lost else "stalled" if self.stalled else "")

    def tell(self, word: Word) -> None:
        self._ask(lambda: self._line.say(word))
        if self._is_near and self._here:
            ring(self._here["bell"])

    @property
    def host(self) -> str:
        """The name of the host that it runs on; empty until it has said so."""
        return str(self._here.get("host", ""))

    @property
    def cores(self) -> list[int]:
        """Those of its host that it may use."""
        return list(self._here.get("cores", []))

    def call(self, task: Task) -> None:
        """Give it the task, once; it says that it is ready, and whether it found the memory that both could share."""
        if self.called:
            return
        self.called = True
        self._pace = task.pace
        shape = task.separator, task.order.max_channels
        memory, place = make_shared(slots_bytes(*shape)) if self._is_near else (None, None)
        self._make_slots = lambda shares: make_slots(self._comm, self.rank, *shape, memory if shares else None)
        self.tell({"word": "serve", "order": asdict(task.order), "n_bytes": task.model.size, "memory": place})
        self._ask(lambda: self._line.send(task.model))

    def listen(self) -> None:
        """Take in what it says. Raises RtsepError or RankFailed where that is why it cannot work."""
        self._listen_at = time.monotonic() + (_SELDOM if self.is_settled else _LISTEN_SECONDS)
        word = self._ask(self._line.hear)
        if word is not None:
            self._understand(word)

    def hand(self, chunk: Chunk) -> None:
        started = time.perf_counter()
        slot = self._idle.popleft()
        if not self._held:
            self._since = time.monotonic()
        self._held.append((slot, chunk.index))
        slot.chunk.put(chunk)
        self._ask(slot.listen)
        self._ask(slot.send)
        self.message_seconds += time.perf_counter() - started

    def collect(self) -> ChunkResult | None:
        if time.monotonic() > self._listen_at:
            self.listen()
        if not self._held or not self._ask(self._held[0][0].arrived):
            return None
        return self._take_oldest()

    def give_up(self) -> list[int]:
        if not self.lost and (not self._held or time.monotonic() - self._since < self._pace.too_long):
            return []
        self.stalled = not self.lost
        given_up = [index for _, index in self._held if index is not None]
        self._held = deque((slot, None) for slot, _ in self._held)
        return given_up

    def close(self) -> None:
        """Bring the messages to rest, once it has said that it leaves."""
        for slot in (*self._idle, *(slot for slot, _ in self._held)):
            self._ask(slot.close)
        self._ask(self._line.close)

    def signal(self, number: signal.Signals) -> bool:
        """Send its process a signal; False where that runs on another host or has not said where."""
        if not self._is_near:
            return False
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(self._here["pid"], number)
        return True

    @property
    def _is_near(self) -> bool:
        return self.host == socket.gethostname()

    def _understand(self, word: Word) -> None:
        kind = word["word"]
        if kind == "here":
            self._here = word
        if kind == "ready":
            self._idle = deque(self._make_slots(word["shares"]))
        self.ready = kind == "ready" or (kind == "bye" and self.ready)
        self.gone = kind == "bye"
        if kind == "bye":
            self._record = RankRecord(**word["record"])
        elif kind == "refused":
            raise RtsepError(f"rank {self.rank}: {word['text']}")
        elif kind == "failed":
            raise RankFailed(word["text"])

    def _take_oldest(self) -> ChunkResult | None:
        """What it answered in its oldest slot, which is idle again; None if the chunk was given up before."""
        started = time.perf_counter()
        slot, index = self._held.popleft()
        self._ask(slot.sent)  # it is: what is answered has arrived
        self._idle.append(slot)
        now = time.monotonic()
        self._pace.add(now - self._since)
        self._since = now
        self.stalled = False
        if index is None:
            return None
        result = slot.stems.take(self.rank)
        self.message_seconds += time.perf_counter() - started
        return result

    def _ask(self, what: Callable[[], T]) -> T | None:
        """The answer of MPI; None, and its death noted, if it is dead: then MPI is asked nothing more about it."""
        if self.lost:
            return None
        try:
            return what()
        except Exception as error:
            if not isinstance(error, PeerLost) and not is_death(error):
                raise
            self.lost = True
            return None
