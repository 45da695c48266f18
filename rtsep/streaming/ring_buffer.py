"""A queue of samples between two threads that never waits, locks or allocates."""

from __future__ import annotations

import numpy as np

from rtsep.types import Audio


class RingBuffer:
    """Holds up to `capacity` samples of `n_channels` for one thread that writes and one that reads.

    Each of the two counters is stored by one thread only, in one step, as CPython stores any attribute; and only after
    the samples that it speaks of were copied. So the other thread sees them late or on time, never half written.
    """

    def __init__(self, capacity: int, n_channels: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: it must be 1 or more")
        self.n_channels = n_channels
        self._samples = np.zeros((capacity, n_channels), np.float32)
        self._n_written = 0
        self._n_read = 0

    @property
    def available(self) -> int:
        """Samples that may be read; to the reader it only grows, to the writer it only shrinks."""
        return self._n_written - self._n_read

    @property
    def room(self) -> int:
        """Samples that may be written."""
        return len(self._samples) - self.available

    def write(self, block: Audio) -> None:
        """Append a block `(n, n_channels)`. Raises ValueError where there is less room than that."""
        n, first, start = self._claim(len(block))
        self._samples[start : start + first] = block[:first]
        self._samples[: n - first] = block[first:]
        self._n_written += n

    def pad(self, n: int) -> None:
        """Append `n` samples of silence. Raises ValueError where there is less room than that."""
        n, first, start = self._claim(n)
        self._samples[start : start + first] = 0
        self._samples[: n - first] = 0
        self._n_written += n

    def read_into(self, block: Audio) -> None:
        """Take the next samples out, as many as `block` is long. Raises ValueError where there are fewer."""
        n = self._check_available(len(block))
        start = self._n_read % len(self._samples)
        first = min(n, len(self._samples) - start)
        block[:first] = self._samples[start : start + first]
        block[first:] = self._samples[: n - first]
        self._n_read += n

    def skip(self, n: int) -> None:
        """Drop the next `n` samples. Raises ValueError where there are fewer."""
        self._n_read += self._check_available(n)

    def _claim(self, n: int) -> tuple[int, int, int]:
        """`n`, how many of them go in before the end of the memory, and where they begin."""
        if not 0 <= n <= self.room:
            raise ValueError(f"{n} samples: there must be room for them, it is {self.room}")
        start = self._n_written % len(self._samples)
        return n, min(n, len(self._samples) - start), start

    def _check_available(self, n: int) -> int:
        if not 0 <= n <= self.available:
            raise ValueError(f"{n} samples: no more than those available may be taken, {self.available}")
        return n
