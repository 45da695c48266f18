"""Resamples a stream by a ratio close to one that changes while it runs, for devices whose clocks differ.

soxr (https://github.com/chirlu/soxr) in its variable-rate form: -130 dB of noise on a sine, whatever the ratio.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr

from rtsep.types import Audio

MOST_DEVIATION = 0.005  # of the ratio from one: ten times what the worst crystals are off
_FASTEST = 1.01  # input samples an output sample, which soxr has to be told of
_PROBE_BLOCK = 16


class Varispeed:
    """Blocks `(n, n_channels)` in, about as many samples out; `latency` of the newest are always held back."""

    def __init__(self, n_channels: int) -> None:
        self._stream = soxr.ResampleStream(_FASTEST, 1.0, n_channels, "float32", vr=True)
        self._stream.set_io_ratio(1.0, 1.0)
        self.latency = _samples_held()

    def push(self, block: Audio, ratio: float) -> Audio:
        """Take the next samples; give out `ratio` times as many, reached from the ratio before without a step.

        Raises ValueError where `ratio` deviates from one by more than MOST_DEVIATION.
        """
        if not 1 - MOST_DEVIATION <= ratio <= 1 + MOST_DEVIATION:
            raise ValueError(f"ratio {ratio}: it must be within {MOST_DEVIATION} of one")
        self._stream.set_io_ratio(1.0, ratio, len(block))
        ready: Audio = self._stream.resample_chunk(block)
        return ready


@cache
def _samples_held() -> int:
    """Measure on silence how many samples go in before as many come out as went in after them."""
    stream = soxr.ResampleStream(_FASTEST, 1.0, 1, "float32", vr=True)
    stream.set_io_ratio(1.0, 1.0)
    silence = np.zeros((_PROBE_BLOCK, 1), np.float32)
    n_in = n_out = 0
    while n_out == 0:
        n_out += len(stream.resample_chunk(silence))
        n_in += _PROBE_BLOCK
    return n_in - n_out
