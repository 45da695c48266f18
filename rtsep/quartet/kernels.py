"""Compiled loops of phrases: arrays in, arrays filled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtsep.types import F32


@njit(cache=True, nogil=True)
def read_at(samples: F32, positions: NDArray[np.float64], out: F32) -> None:
    """`samples` at fractional positions by cubic Hermite interpolation (Catmull-Rom); silence outside."""
    last = samples.size - 3
    for i in range(positions.size):
        base = int(np.floor(positions[i]))
        if base < 1 or base > last:
            out[i] = 0.0
            continue
        t = np.float32(positions[i] - base)
        a, b, c, d = samples[base - 1], samples[base], samples[base + 1], samples[base + 2]
        slope = np.float32(0.5) * (c - a)
        bend = a - np.float32(2.5) * b + np.float32(2.0) * c - np.float32(0.5) * d
        twist = np.float32(0.5) * (d - a) + np.float32(1.5) * (b - c)
        out[i] = b + t * (slope + t * (bend + t * twist))
