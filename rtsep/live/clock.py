"""Stands in for a sound device where none is wanted: calls for each block when its time has come."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import numpy as np

from rtsep.io.audio_device import Exchange
from rtsep.live.thread import CALLBACK, ask_for_real_time, start_thread


class ClockStream:
    """As DeviceStream, but paced by this machine's clock; it hears silence, and what it plays is lost.

    Block k is called for at k * block / rate seconds; one that comes more than a block too late counts as an overrun,
    as a device would have lost it, and is called for all the same.
    """

    latency_seconds = 0.0
    n_underruns = 0

    def __init__(self, exchange: Exchange, rate: float, block: int, n_channels: int) -> None:
        self.n_overruns = 0
        self._exchange = exchange
        self._seconds = block / rate
        self._silence = np.zeros((block, n_channels), np.float32)
        self._nowhere = np.zeros((block, n_channels), np.float32)
        self._stopping = False

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread = start_thread(self._run, "rtsep-clock")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No more calls from here on."""
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        ask_for_real_time(CALLBACK)  # as a device's callback has it
        due = time.perf_counter()
        while not self._stopping:
            due += self._seconds
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            self.n_overruns += wait < -self._seconds
            self._exchange(self._silence, self._nowhere)
