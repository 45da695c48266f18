"""Changes the sample rate of a stream, block by block, with no shift in time.

soxr (https://github.com/chirlu/soxr) does it, in its quality HQ: linear phase, less than 0.01 dB of droop up to 0.91 of
the lower Nyquist frequency, aliases and noise below -120 dB. VHQ has the same droop; its -170 dB lie under the rounding
of the float32 samples that carry them, while it takes a third more time and holds up to twice as much back.
"""

from __future__ import annotations

from functools import cache
from math import ceil

import numpy as np
import soxr

from rtsep.types import Audio

_QUALITY = "HQ"
_PROBE_BLOCK = 16


class Resampler:
    """Resamples a stream of `(n, n_channels)` blocks from `in_rate` to `out_rate` Hz; equal rates change no bit.

    Output sample j lies at the input's sample j * in_rate / out_rate: the filter's delay is taken out. What comes
    out, and how much, depends on the input only and not on how it was cut.
    """

    def __init__(self, in_rate: int, out_rate: int, n_channels: int) -> None:
        self._in_rate = in_rate
        self._out_rate = out_rate
        self._n_channels = n_channels
        self._stream = soxr.ResampleStream(in_rate, out_rate, n_channels, "float32", _QUALITY)
        self._n_in = 0
        self._n_out = 0

    @property
    def latency(self) -> int:
        """Input samples that output can lag behind: with n of them in, all output before n - latency is out."""
        return _longest_hold(self._in_rate, self._out_rate)

    def output_length(self, n: int) -> int:
        """Samples that come out, all in all, for `n` that went in: n * out_rate / in_rate, halves rounded up."""
        return (2 * n * self._out_rate + self._in_rate) // (2 * self._in_rate)

    def reset(self) -> None:
        """Forget the stream so far: the next block pushed is the first of another one."""
        self._stream.clear()
        self._n_in = self._n_out = 0

    def push(self, block: Audio) -> Audio:
        """Take the next samples `(n, n_channels)`, n >= 0; return those that are ready, maybe none."""
        if block.ndim != 2 or block.shape[1] != self._n_channels:
            raise ValueError(f"a block of shape {block.shape}: it must be (n, {self._n_channels})")
        # At equal rates soxr copies, but takes its time: for the stems of a song 3 % of all that rank 0 does.
        ready: Audio = block if self._in_rate == self._out_rate else self._stream.resample_chunk(block)
        self._n_in += len(block)
        self._n_out += len(ready)
        return ready

    def finish(self, length: int | None = None) -> Audio:
        """End the stream: the samples still held back, silence following the input; then as after `reset`.

        With them the output is `length` samples long, `output_length` of the input's if not given. A stream that
        was resampled there and back again has its own length by asking for it, where rounding twice may miss it.
        """
        if length is None:
            length = self.output_length(self._n_in)
        n_missing = length - self._n_out
        if n_missing < 0:
            raise ValueError(f"length {length}: {self._n_out} samples have already been given out")
        # soxr rounds halves up or down, so it gets silence for the whole length at least, and its tail is cut.
        n_silent = -(-length * self._in_rate // self._out_rate) - self._n_in
        silence = np.zeros((max(0, n_silent), self._n_channels), np.float32)
        tail: Audio = self._stream.resample_chunk(silence, last=True)[:n_missing]
        self.reset()
        return tail


@cache
def _longest_hold(in_rate: int, out_rate: int) -> int:
    """Measure on a second of silence how far, in input samples, soxr's bursts let the output lag behind."""
    if in_rate == out_rate:
        return 0
    stream = soxr.ResampleStream(in_rate, out_rate, 1, "float32", _QUALITY)
    silence = np.zeros((_PROBE_BLOCK, 1), np.float32)
    n_out = 0
    longest = 0.0
    for n_in in range(_PROBE_BLOCK, in_rate, _PROBE_BLOCK):
        n_out += len(stream.resample_chunk(silence))
        longest = max(longest, n_in - n_out * in_rate / out_rate)
    return ceil(longest) + _PROBE_BLOCK
