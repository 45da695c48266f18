"""What every rank but 0 does: hear what is to be computed, make ready, compute until dismissed; rank 0 has the say."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rtsep.engine.bell import Bell
from rtsep.engine.line import Line, PeerLost, Word, noticing_death
from rtsep.engine.local import Computer, warm_up
from rtsep.engine.process import own_cores, own_record
from rtsep.engine.reserve import RESERVE_NAP, will_be_called
from rtsep.engine.shared import open_shared
from rtsep.engine.slots import Slot, make_slots, slots_bytes
from rtsep.engine.waiting import wait_until
from rtsep.errors import RtsepError
from rtsep.types import Separator

if TYPE_CHECKING:
    from mpi4py import MPI

    from rtsep.sparse.coder import Solver

_TEXT_CHARACTERS = 2000  # as JSON they fit a word, whatever they are


@dataclass(frozen=True)
class Order:
    """What a worker has to know beside the model: the solver, and the most channels of the chunks to come.

    `slices` are those of a chunk, the separator's own choice if None.
    """

    solver: Solver
    max_channels: int
    slices: int | None = None


Load = Callable[[Order, bytes], Separator]
"""The separator of an order and of the bytes of a model file."""


class _Dismissed(Exception):
    """Rank 0 says that this was all."""


@dataclass
class _Desk:
    """What a worker holds: its bell, its slots, the oldest first, and the seconds that messages took."""

    bell: Bell = field(default_factory=Bell)
    slots: deque[Slot] = field(default_factory=deque)
    message_seconds: float = 0.0


def follow(comm: MPI.Comm, prepare: Callable[[], None], load: Load) -> None:
    """Do what rank 0 says until it says that this was all; what goes wrong it is told. Raises PeerLost if it dies."""
    line = Line(comm, 0)
    desk = _Desk()
    place = {"pid": os.getpid(), "host": socket.gethostname(), "cores": own_cores(), "bell": desk.bell.name}
    line.say_and_see_off({"word": "here", **place})
    try:
        with noticing_death():
            _work(comm, line, desk, prepare, load)
    except _Dismissed:
        pass
    except PeerLost:
        raise
    except RtsepError as error:
        _tell_and_wait(line, desk.bell, {"word": "refused", "text": str(error)[:_TEXT_CHARACTERS]})
    except Exception:
        _tell_and_wait(line, desk.bell, {"word": "failed", "text": traceback.format_exc()[-_TEXT_CHARACTERS:]})
    with noticing_death():
        for slot in desk.slots:
            slot.close()
        line.say_and_see_off({"word": "bye", "record": asdict(own_record(desk.message_seconds))})
        line.close()
    desk.bell.close()


def _work(comm: MPI.Comm, line: Line, desk: _Desk, prepare: Callable[[], None], load: Load) -> None:
    """From the first order to the dismissal, which is raised."""
    word = _wait(line, desk.bell)
    if word["word"] == "prepare":
        if will_be_called():
            prepare()
        word = _wait(line, desk.bell)
    order = Order(**word["order"])
    separator = load(order, line.receive(word["n_bytes"]).tobytes())
    warm_up(separator, order.max_channels)
    shared = open_shared(word["memory"], slots_bytes(separator, order.max_channels))
    desk.slots.extend(make_slots(comm, 0, separator, order.max_channels, shared))
    for slot in desk.slots:
        slot.listen()
    line.say_and_see_off({"word": "ready", "shares": shared is not None})
    with closing(Computer(separator, comm.rank)) as computer:
        while True:
            wait_until(lambda: _hear(line) is not None or desk.slots[0].arrived())
            _answer(desk, computer)


def _answer(desk: _Desk, computer: Computer) -> None:
    """Compute the oldest slot's chunk; see the stems off, as without shared memory that takes both ends."""
    slot = desk.slots[0]
    result = computer.compute(slot.chunk.take())
    started = time.perf_counter()
    slot.stems.put(result)
    slot.listen()
    slot.send()
    wait_until(slot.sent)
    desk.slots.rotate(-1)
    desk.message_seconds += time.perf_counter() - started


def _tell_and_wait(line: Line, bell: Bell, word: Word) -> None:
    """Say what is wrong, and wait to be dismissed."""
    line.say_and_see_off(word)
    try:
        while True:
            _wait(line, bell)
    except _Dismissed:
        pass


def _wait(line: Line, bell: Bell) -> Word:
    """The next word of rank 0, slept for until the bell rings. Raises _Dismissed if that is it."""
    heard: list[Word] = []

    def hear() -> bool:
        if word := _hear(line):
            heard.append(word)
        return bool(heard)

    wait_until(hear, bell.nap, RESERVE_NAP)
    return heard[0]


def _hear(line: Line) -> Word | None:
    """The next word of rank 0, if there is one. Raises _Dismissed if that is it."""
    word = line.hear()
    if word and word["word"] == "go home":
        raise _Dismissed
    return word
