"""Windows in time and in frequency, all float64: the plans round once, at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def hann_periodic(length: int) -> F64:
    """Hann window `(length,)` whose translates by `length / r` sum to a constant for every whole r >= 2."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def tukey_slice(slice_length: int, transition: int) -> F64:
    """Tukey window `(slice_length,)`, zero outside its support, whose translates by half a slice sum to one.

    The support is half a slice plus `transition` samples, in the middle of the slice; the slopes are raised cosines
    (Holighaus et al. 2013, section III). Sampled at half-integers, so that the slopes are mirror images.
    """
    half = slice_length // 2
    if not 0 < transition <= half:
        raise ValueError(f"transition {transition} must be between 1 and half the slice, {half}")
    distance = np.abs(np.arange(slice_length) + 0.5 - half)  # from the middle of the slice
    ramp = np.clip((distance - (half - transition) / 2) / transition, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * ramp))


def dual_window(window: F64, hop: int) -> F64:
    """Canonical dual of a window: windowed analysis, dual-windowed overlap-add at `hop` gives the input back.

    gamma[n] = w[n] / sum_j w[n + j hop]^2 (painless case, FFT length = window length).
    """
    if window.size % hop:
        raise ValueError(f"window length {window.size} must be a multiple of the hop {hop}")
    energy = np.sum(window.reshape(-1, hop) ** 2, axis=0)
    return np.asarray(window / np.tile(energy, window.size // hop))
