"""What lies between a network's matrix products, each in one pass over the memory. Arrays in, arrays filled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtsep.types import F32

Index = NDArray[np.int32]


@njit(cache=True, nogil=True)
def put_neighbours(x: F32, out: F32) -> None:
    """Each band of `x` `(n_channels, n_bands, wide)` beside the one below and the one above it, silence at the ends.

    `out` is `(n_channels, n_bands, 3, wide)`.
    """
    n_channels, n_bands, wide = x.shape
    for channel in range(n_channels):
        for band in range(n_bands):
            for tap in range(3):
                source = band + tap - 1
                inside = 0 <= source < n_bands
                for i in range(wide):
                    out[channel, band, tap, i] = x[channel, source, i] if inside else 0.0


@njit(cache=True, nogil=True)
def put_partials(x: F32, lower: Index, from_lower: F32, from_upper: F32, out: F32) -> None:
    """Each band of `x` `(n_channels, n_bands, few)` as heard at its partials `(n_bands, n_ratios)`.

    `out` is `(n_channels, n_bands, n_ratios, few)`.
    """
    n_channels, n_bands, n_ratios, few = out.shape
    for channel in range(n_channels):
        for band in range(n_bands):
            for k in range(n_ratios):
                source, a, b = lower[band, k], from_lower[band, k], from_upper[band, k]
                for i in range(few):
                    out[channel, band, k, i] = a * x[channel, source, i] + b * x[channel, source + 1, i]


@njit(cache=True, nogil=True)
def take_taps(heard: F32, one: F32, two: F32, bias: F32, out: F32) -> None:
    """A convolution's output, rectified, from what three slices add to it; then keep what this one adds to later ones.

    `heard` `(n, 3 * wide)` is what this slice adds to itself, one dilation later, and two; `one` and `two` `(n, wide)`
    what was kept for it.
    """
    n, wide = out.shape
    for row in range(n):
        for i in range(wide):
            out[row, i] = max(heard[row, i] + one[row, i] + two[row, i] + bias[i], 0.0)
        for i in range(wide):
            one[row, i] = heard[row, wide + i]
            two[row, i] = heard[row, 2 * wide + i]


@njit(cache=True, nogil=True)
def add_bands(added: F32, bias: F32, x: F32) -> None:
    """Add `added` and the bias of each band to `x`, all `(n_channels, n_bands, wide)` but `bias` `(n_bands, 1)`."""
    n_channels, n_bands, wide = x.shape
    for channel in range(n_channels):
        for band in range(n_bands):
            for i in range(wide):
                x[channel, band, i] += added[channel, band, i] + bias[band, 0]


@njit(cache=True, nogil=True)
def add_residual(x: F32, bias: F32, out: F32) -> None:
    """Add `x` and the bias of each channel to `out`, both `(n_channels, n_bands, wide)`."""
    n_channels, n_bands, wide = x.shape
    for channel in range(n_channels):
        for band in range(n_bands):
            for i in range(wide):
                out[channel, band, i] += x[channel, band, i] + bias[i]
