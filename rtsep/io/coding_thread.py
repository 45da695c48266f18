"""Stem files that are coded beside what computes: each on a thread of its own, a few blocks behind."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rtsep.io.stem_files import StemFile, create_stem_file
from rtsep.types import Audio

_BEHIND = 2  # blocks; more would be memory, and no faster


def create_file_coded_beside(path: Path, sample_rate: int, n_channels: int, audio_format: str) -> StemFile:
    """As `create_stem_file`; nobody may change a block that was written. A wav takes no coding, and no thread."""
    file = create_stem_file(path, sample_rate, n_channels, audio_format)
    return file if audio_format == "wav" else _CodedBeside(file)


class _CodedBeside:
    """A `StemFile` whose blocks another thread writes, in their order. What it meets the next call raises."""

    def __init__(self, file: StemFile) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "rtsep-coding")
        self._due: deque[Future[None]] = deque()

    @property
    def n_clipped(self) -> int:
        return self._file.n_clipped

    def make_room(self, n_samples: int) -> None:
        self._await(0)
        self._file.make_room(n_samples)

    def write(self, block: Audio) -> None:
        self._await(_BEHIND - 1)
        self._due.append(self._thread.submit(self._file.write, block))

    def note_length(self) -> None:
        self._await(0)
        self._file.note_length()

    def finish(self) -> None:
        self._await(0)
        self._thread.shutdown()
        self._file.finish()

    def abandon(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._file.abandon()

    def _await(self, n_due: int) -> None:
        """Wait until no more than this many blocks are due. Raises what writing them raised."""
        while len(self._due) > n_due:
            self._due.popleft().result()
