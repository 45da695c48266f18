"""Records takes: what was heard from one moment to another, all stems, on a thread of its own beside the sound."""

from __future__ import annotations

import queue
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rtsep.errors import OutputError
from rtsep.io.names import printable
from rtsep.io.stem_writers import StemWriters
from rtsep.live.plan import LivePlan
from rtsep.live.thread import start_thread
from rtsep.types import Stems

_TAKE = "take-"


@dataclass(frozen=True)
class Recording:
    """The folder of the takes, which is made with the first, and the format of their files."""

    folder: Path = Path("rtsep-takes")
    audio_format: str = "flac"


@dataclass(frozen=True)
class Take:
    """What was recorded into `folder`: `n_samples` from sample `start` of what was heard on; `error` cut it short.

    `n_clipped` samples lay beyond full scale, over all stems and channels, where the format ends there.
    """

    folder: str
    start: int
    n_samples: int = 0
    n_clipped: int = 0
    error: str = ""


class Recorder:
    """Writes stems to takes, without a gap: take-1, take-2, ... in the recording's folder, one file a stem.

    Stems are ready before they are heard: they are kept until then, so that a take has what was heard between `begin`
    and `end`, to the sample. `takes` are those that have ended; one that the disk has no room for ends by itself, and
    what was written until then is kept.
    """

    def __init__(self, recording: Recording, stems: tuple[str, ...], plan: LivePlan) -> None:
        self.takes: list[Take] = []
        self.rate = plan.rate
        self._where = recording
        self._stems = stems
        self._plan = plan
        # A second more, as it takes a moment to begin a take.
        self._n_kept = plan.delay + plan.rate
        self._kept: deque[Stems] = deque()
        self._n_pushed = 0
        self._begun: _OpenTake | None = None  # as its caller knows it
        self._n_begun = 0
        self._open: deque[_OpenTake] = deque()  # those that lack stems, the first to be written first
        self._orders: queue.SimpleQueue[Stems | _OpenTake | int | None] = queue.SimpleQueue()
        self._thread = start_thread(self._write, "rtsep-recorder")

    @property
    def recording(self) -> bool:
        """Whether a take has begun that has not ended."""
        return self._begun is not None and not self._begun.error

    def push(self, stems: Stems) -> None:
        """Take stems `(n_stems, n, n_channels)`; returns at once."""
        self._orders.put(stems)

    def begin(self, position: int) -> None:
        """Begin a take with the sample `position` of what is heard. Raises OutputError."""
        self._n_begun = max(self._n_begun, _last_number(self._where.folder)) + 1
        folder = self._where.folder / f"{_TAKE}{self._n_begun}"
        plan = self._plan
        writers = StemWriters(folder, self._stems, plan.rate, plan.n_channels, self._where.audio_format)
        self._begun = _OpenTake(folder, writers, Take(printable(folder), position))
        self._orders.put(self._begun)

    def end(self, position: int) -> None:
        """End the take that has begun before the sample `position`, which may be a sample that is still to come."""
        if self._begun:
            self._begun.end = position
            self._orders.put(position)
        self._begun = None

    def finish(self) -> None:
        """Write all that is there of a take that has not ended, and wait until it is written."""
        self._orders.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (order := self._orders.get()) is not None:
            if isinstance(order, _OpenTake):
                self._open.append(order)
            elif isinstance(order, int):
                self._settle(order)
            else:
                self._kept.append(order)
                self._n_pushed += order.shape[1]
                self._settle(self._n_pushed - self._n_kept)
        self._settle(self._n_pushed)
        while self._open:
            self._close()

    def _settle(self, end: int) -> None:
        """Write what was kept of the samples before `end`, or drop it where there is no take."""
        start = self._n_pushed - sum(stems.shape[1] for stems in self._kept)
        self._close_done(start)
        while self._kept and start < end:
            stems = self._kept.popleft()
            n = min(stems.shape[1], end - start)
            if n < stems.shape[1]:
                self._kept.appendleft(stems[:, n:])
            for take in self._open:
                take.write(start, stems[:, :n])
            start += n
            self._close_done(start)

    def _close_done(self, position: int) -> None:
        while self._open and self._open[0].is_done(position):
            self._close()

    def _close(self) -> None:
        take = self._open.popleft().close()
        if take.n_samples or take.error:
            self.takes.append(take)


class _OpenTake:
    """A take that is being written, until `end`, where that is known; after an `error` it takes no more."""

    def __init__(self, folder: Path, writers: StemWriters, take: Take) -> None:
        """Raises OutputError."""
        self.error = ""
        self.end: int | None = None
        self._take = take
        self._writers = writers
        with ExitStack() as stack:
            # Writers clear away what killed ones left in the folder they work in: this one no others will ever use.
            _make_folder(folder)
            stack.callback(_remove_if_empty, folder)
            stack.enter_context(writers)
            self._stack = stack.pop_all()

    def write(self, start: int, stems: Stems) -> None:
        """Append what of these stems, the first at sample `start`, belongs to the take."""
        first = max(start, self._take.start)
        end = start + stems.shape[1] if self.end is None else min(self.end, start + stems.shape[1])
        stems, n = stems[:, first - start : max(first, end) - start], end - first
        if self.error or n <= 0:
            return
        try:
            self._writers.make_room(n)
            self._writers.write(stems)
            self._writers.note_length()
        except OutputError as error:
            self.error = str(error)
            return
        began = self._take.start if self._take.n_samples else first
        self._take = replace(self._take, start=began, n_samples=self._take.n_samples + n)

    def is_done(self, position: int) -> bool:
        """Whether nothing from this sample on belongs to it."""
        return bool(self.error) or (self.end is not None and position >= self.end)

    def close(self) -> Take:
        """Make the files appear, whatever was written of them, if anything was."""
        take = replace(self._take, n_clipped=sum(self._writers.n_clipped.values()))
        try:
            with self._stack:
                if take.n_samples:
                    self._writers.commit()
        except OutputError as error:
            self.error = str(error)
            take = replace(take, n_samples=0)
        return replace(take, error=self.error)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        where = printable(folder)
        raise OutputError(f"{where}: cannot be made ({error.strerror}); choose another folder for takes") from error


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _last_number(folder: Path) -> int:
    """The highest number of a take that is in the folder; 0 where there is none."""
    names = [path.name.removeprefix(_TAKE) for path in folder.glob(f"{_TAKE}*")]
    return max((int(name) for name in names if name.isdecimal()), default=0)
