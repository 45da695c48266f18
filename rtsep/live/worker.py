"""The thread that separates: takes what the callback heard, gives back what it is to play."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rtsep.live.duplex import Duplex
from rtsep.live.plan import LivePlan
from rtsep.live.recorder import Recorder
from rtsep.live.thread import ask_for_real_time, start_thread
from rtsep.live.timing import Durations
from rtsep.stem_stream import StemStream
from rtsep.types import F32, Audio, Chunk, Engine, Separator, Stems

_MOST_AT_ONCE = 4096


@dataclass(frozen=True)
class Ear:
    """Who else gets the stems, and after how many samples the stream ends by itself, if ever."""

    recorder: Recorder | None = None
    n_samples: int | None = None


class Worker:
    """Runs a StemStream, the one that separates files, between a duplex's two rings.

    `computed` counts chunks by their computing time; `longest_queue` is the most that waited for it, in samples.
    `priority` says why there is no real-time priority, '' if there is. `error` is what ended it before its time.
    """

    def __init__(self, separator: Separator, engine: Engine, plan: LivePlan, duplex: Duplex, ear: Ear) -> None:
        self.computed = Durations()
        self.longest_queue = 0
        self.priority = ""
        self.error: BaseException | None = None
        self._duplex = duplex
        self._ear = ear
        self._engine = engine
        self._stream = StemStream(separator, plan.rate, plan.n_channels)
        self._peaks = np.zeros(len(separator.stems), np.float32)
        self._nap = plan.block / plan.rate / 4
        self._ending = False

    def start(self) -> None:
        """Begin to take what is heard."""
        self._thread = start_thread(self._run, "rtsep-worker")

    def finish(self, patience: float | None = None) -> None:
        """Separate what has been heard so far, and end; the caller makes sure that no more is heard.

        `patience` is how many seconds that may take, any if None; what is not separated by then is lost.
        """
        self._ending = True
        self._thread.join(patience)

    def take_peaks(self) -> F32:
        """The highest magnitude of each stem since the last call, 1 at full scale."""
        peaks = self._peaks.copy()
        self._peaks[:] = 0
        return peaks

    def _run(self) -> None:
        self.priority = ask_for_real_time()
        try:
            for result in self._engine.run(self._chunks()):
                self._give_out(self._stream.push(result))
            self._give_out(self._stream.finish())
            self._give_silence()
        except BaseException as error:  # told by the thread that waits for this one
            self.error = error

    def _chunks(self) -> Iterator[Chunk | None]:
        """The chunks of what the callback heard; None when there is none yet, and others' results may have come."""
        for block in self._blocks():
            yield from self._stream.take(block) if len(block) else (None,)
        yield from self._stream.end()

    def _blocks(self) -> Iterator[Audio]:
        """What the callback heard, in pieces as they come, until the end; an empty one when there is nothing yet."""
        heard = self._duplex.heard
        n_left = self._ear.n_samples
        while n_left != 0:
            ending = self._ending  # before the look at what is there: nothing comes after it
            waiting = heard.available
            self.longest_queue = max(self.longest_queue, waiting)
            n = min(waiting, _MOST_AT_ONCE, _MOST_AT_ONCE if n_left is None else n_left)
            if ending and not n:
                return
            if not n:
                time.sleep(self._nap)
            block = np.empty((n, heard.n_channels), np.float32)
            heard.read_into(block)
            n_left = None if n_left is None else n_left - n
            yield block

    def _give_silence(self) -> None:
        """After the last of `n_samples`: silence for silence, until the stems before it have been played."""
        heard = self._duplex.heard
        while not self._ending:
            n = heard.available
            heard.skip(n)
            self._duplex.stems.pad(n)
            time.sleep(self._nap)

    def _give_out(self, stems: Stems) -> None:
        self._duplex.stems.write(np.concatenate(stems, axis=1))
        if stems.size:
            np.maximum(self._peaks, np.abs(stems).max(axis=(1, 2)), out=self._peaks)
        if self._ear.recorder:
            self._ear.recorder.push(stems)
        for _, seconds in self._stream.computed:
            self.computed.add(seconds)
        self._stream.computed.clear()
