"""Writes stems to files beside the worker, so that a slow disk makes no deadline be missed."""

from __future__ import annotations

import queue

from rtsep.errors import OutputError
from rtsep.io.stem_writers import StemWriters
from rtsep.live.thread import start_thread
from rtsep.types import Stems


class Recorder:
    """Hands stems to open `writers` on a thread of its own, in their order, none left out.

    `error` is what stopped the writing, if anything did: the sound goes on without it.
    """

    def __init__(self, writers: StemWriters) -> None:
        self.error: OutputError | None = None
        self._writers = writers
        self._waiting: queue.SimpleQueue[Stems | None] = queue.SimpleQueue()
        self._thread = start_thread(self._write, "rtsep-recorder")

    def push(self, stems: Stems) -> None:
        """Take stems `(n_stems, n, n_channels)`; returns at once."""
        self._waiting.put(stems)

    def finish(self) -> None:
        """Wait until all is written, and make the files appear. Raises OutputError."""
        self._waiting.put(None)
        self._thread.join()
        if self.error:
            raise self.error
        self._writers.commit()

    def _write(self) -> None:
        while (stems := self._waiting.get()) is not None:
            if self.error:
                continue
            try:
                self._writers.write(stems)
            except OutputError as error:
                self.error = error
