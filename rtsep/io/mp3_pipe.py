"""mp3 files that do not say how long they are.

libsndfile guesses their length from the first frames and stops there: it drops nearly half of some songs with a
variable bit rate. Through a pipe, which has no size to guess from, it decodes them to their end.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import reduce
from itertools import pairwise
from pathlib import Path
from threading import Thread

_HEAD = 2048


def announces_length(path: Path) -> bool:
    """Whether the first frame is a Xing (Info) header with the number of frames, which makes the length exact."""
    head = _read_head(path, _audio_start(path))
    marks = [head.find(mark) for mark in (b"Xing", b"Info") if mark in head]
    return any(flags & 1 for at in marks for flags in head[at + 7 : at + 8])


class Mp3Pipe:
    """Feeds a file to whoever reads `fd`, from its first MPEG frame header on; `close` it after the reader."""

    def __init__(self, path: Path) -> None:
        start = _audio_start(path)
        self.fd, sink = os.pipe()
        self._n_total = path.stat().st_size - start
        self._n_fed = 0
        self._thread = Thread(target=self._feed, args=(path, start, sink), daemon=True)
        self._thread.start()

    def drain(self) -> int:
        """Bytes of the file that the reader has not taken; the pipe is empty afterwards."""
        n_unread = sum(map(len, iter(lambda: os.read(self.fd, 65536), b"")))
        self._thread.join()
        return self._n_total - self._n_fed + n_unread

    def close(self) -> None:
        """Give up the reading end, which ends the feeding; more than once does no harm."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._thread.join()

    def _feed(self, path: Path, start: int, sink: int) -> None:
        # A reader that has gone, or a medium that fails, ends the feeding; `drain` then tells what is missing.
        with suppress(OSError), open(sink, "wb") as pipe, path.open("rb") as file:
            file.seek(start)
            while block := file.read(65536):
                self._n_fed += pipe.write(block)


def _audio_start(path: Path) -> int:
    """Where the MPEG stream starts: at the first frame sync behind an ID3v2 tag, whose size counts 7 bits a byte."""
    head = _read_head(path, 0)
    start = 0
    if head[:3] == b"ID3":
        start = 10 + reduce(lambda size, byte: size << 7 | byte, head[6:10], 0)
        head = _read_head(path, start)
    syncs = (at for at, (first, second) in enumerate(pairwise(head)) if first == 0xFF and second >= 0xE0)
    return start + next(syncs, 0)


def _read_head(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_HEAD)
