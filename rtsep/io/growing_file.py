"""A file that an encoder writes, with room on the disk taken before it is needed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_AHEAD = 1 << 18
_BEHIND = 1 << 22


class GrowingFile:
    """A new file for libsndfile to write, which calls `write`, `seek`, `tell` and `read`, and for others.

    An encoder that finds no room for the end of its file spoils all of it: `make_room` finds out before it writes.
    libsndfile's calls cannot raise: the error that a write met is kept, and raised by `check` and `close`.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x+b", buffering=0)
        self._end = 0
        self._taken = 0
        self._on_its_way = 0
        self._error: OSError | None = None

    def make_room(self, n_bytes: int) -> None:
        """Take room for so many bytes more. Raises OSError where there is none, and the file is as it was.

        Systems without posix_fallocate promise nothing.
        """
        wanted = self._end + n_bytes
        if wanted > self._taken and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), self._taken, wanted + _AHEAD - self._taken)
            self._taken = wanted + _AHEAD

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it, or as much as can be; returns the length of `data`, as encoders break on less."""
        n_written = 0
        try:
            while n_written < len(data):
                n_written += self._file.write(data[n_written:])
        except OSError as error:
            self._error = self._error or error
        self._end = max(self._end, self._file.tell())
        self._see_off()
        return len(data)

    def skip(self, n_bytes: int) -> None:
        """Go on behind so many bytes more, which another has written to the file."""
        self._end = self._file.seek(n_bytes, os.SEEK_CUR)
        self._see_off()

    def _see_off(self) -> None:
        """Have the system bring to the disk what was written lately, so that a sync in the end takes little.

        The advice that it will not be needed is what Linux begins to write upon; of what it still has to write nothing
        is forgotten.
        """
        n_bytes = self._end - self._on_its_way
        if n_bytes >= _BEHIND and hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(self._file.fileno(), self._on_its_way, n_bytes, os.POSIX_FADV_DONTNEED)
            self._on_its_way = self._end

    def mend(self, offset: int, data: bytes) -> None:
        """Replace what has been written at `offset`; the next write goes where it would have gone."""
        os.pwrite(self._file.fileno(), data, offset)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._end + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, n_bytes: int) -> bytes:
        return self._file.read(min(n_bytes, self._end - self.tell())) or b""

    def check(self) -> None:
        """Raise the OSError that a write met."""
        if self._error:
            raise self._error

    def close(self) -> None:
        """Give back the room that was not needed. Raises OSError also for what a write met."""
        if self._file.closed:
            return
        try:
            self._file.truncate(self._end)
            self.check()
        finally:
            self._file.close()
