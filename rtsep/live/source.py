"""A sound file in the place of an input device: read ahead by a thread, taken block by block in the callback."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import numpy as np

from rtsep.errors import RtsepError
from rtsep.io.audio_file import AudioReader
from rtsep.live.thread import start_thread
from rtsep.streaming.ring_buffer import RingBuffer
from rtsep.types import Audio

_AHEAD_SECONDS = 4
_BLOCK = 4096


class FileSource:
    """Gives an open file's samples out by `fill`, which never waits; silence after them.

    `n_late` counts the blocks that the disk was too late for; `error` is what stopped the reading, if anything did.
    """

    def __init__(self, reader: AudioReader) -> None:
        self.n_late = 0
        self.error: RtsepError | None = None
        self._reader = reader
        self._n_left = reader.n_samples
        self._ring = RingBuffer(_AHEAD_SECONDS * reader.info.sample_rate + _BLOCK, reader.info.n_channels)
        self._stopping = False
        self._filled = False

    def fill(self, block: Audio) -> bool:
        """Put the next samples into `block`, silence after the last; False, and nothing done, if they are late."""
        n = min(len(block), self._n_left)
        if self._ring.available < n:
            self.n_late += 1
            return False
        self._ring.read_into(block[:n])
        block[n:] = 0
        self._n_left -= n
        return True

    def __enter__(self) -> Self:
        self._thread = start_thread(self._read, "rtsep-file")
        while not self._filled and self._thread.is_alive():
            time.sleep(0.001)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join()

    def _read(self) -> None:
        try:
            for block in self._reader.blocks(_BLOCK):
                while self._ring.room < len(block):
                    self._filled = True
                    if self._stopping:
                        return
                    time.sleep(0.05)
                self._ring.write(np.ascontiguousarray(block))
        except RtsepError as error:
            self.error = error
