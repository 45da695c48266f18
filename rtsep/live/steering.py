"""Steers a session while it plays: changes of the desk reach the mixer and the recorder as soon as they come."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from rtsep.errors import OutputError
from rtsep.live.desk import Change, Desk, weights
from rtsep.live.mixer import Mixer
from rtsep.live.recorder import Recorder, Take

# Filled by whoever reads keys or knobs, on any thread.
Changes = queue.SimpleQueue[Change]


class Steering:
    """Holds the desk as it is now. `position` is the sample that is heard at the moment, where takes begin and end."""

    def __init__(
        self, desk: Desk, mixer: Mixer, recorder: Recorder, changes: Changes, position: Callable[[], int]
    ) -> None:
        """Begins the first take where the desk says so. Raises OutputError."""
        self.desk = desk
        self._mixer = mixer
        self._recorder = recorder
        self._changes = changes
        self._position = position
        self._n_told = 0
        if desk.recording:
            recorder.begin(0)

    @property
    def takes(self) -> tuple[Take, ...]:
        """Those that have ended."""
        return tuple(self._recorder.takes)

    def follow(self, seconds: float) -> Iterator[str]:
        """Apply what is changed in so many seconds; what went wrong, a line each."""
        end = time.perf_counter() + seconds
        while not self.desk.ended and (left := end - time.perf_counter()) > 0:
            try:
                change = self._changes.get(timeout=left)
            except queue.Empty:
                break
            yield from self._apply(change(self.desk))
        yield from self.lost_takes()

    def lost_takes(self) -> Iterator[str]:
        """A line for each take that has ended before its time since the last call."""
        for take in self.takes[self._n_told :]:
            self._n_told += 1
            if take.error:
                seconds = take.n_samples / self._recorder.rate
                yield f"recording has ended, {seconds:.1f} s of it are kept: {take.error}"
        self.desk = replace(self.desk, recording=self._recorder.recording)

    def _apply(self, desk: Desk) -> Iterator[str]:
        if desk.recording != self.desk.recording:
            try:
                self._record(desk.recording)
            except OutputError as error:
                yield f"no recording: {error}"
                desk = replace(desk, recording=False)
        self._mixer.steer(weights(desk))
        self.desk = desk

    def _record(self, on: bool) -> None:
        position = max(0, self._position())
        if on:
            self._recorder.begin(position)
        else:
            self._recorder.end(position)
