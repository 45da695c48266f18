"""Windows in time and in frequency, all float64: the plans round once, at the end."""

from __future__ import annotations

import numpy as np

from rtsep.types import F64

LONGEST_SLICE = 1 << 16  # samples, 1.5 s at 44.1 kHz: beyond that a plan of bands fills the memory


def hann_periodic(length: int) -> F64:
    """Hann window `(length,)` whose translates by `length / r` sum to a constant for every whole r >= 2."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def tukey_slice(slice_length: int, transition: int) -> F64:
    """Tukey window `(slice_length,)`, zero outside its support, whose translates by half a slice sum to one.

    The support is half a slice plus `transition` samples (an even number, at most half a slice), in the middle of the
    slice; the slopes are raised cosines (Holighaus et al. 2013, section III). Sampled at half-integers, so that the
    slopes are mirror images.
    """
    half = slice_length // 2
    distance = np.abs(np.arange(slice_length) + 0.5 - half)  # from the middle of the slice
    ramp = np.clip((distance - (half - transition) / 2) / transition, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * ramp))


def dual_window(window: F64, hop: int) -> F64:
    """Canonical dual of a window: windowed analysis, dual-windowed overlap-add at `hop` gives the input back.

    gamma[n] = w[n] / sum_j w[n + j hop]^2 (painless case, FFT length = window length); the hop divides the length.
    """
    energy = np.sum(window.reshape(-1, hop) ** 2, axis=0)
    return np.asarray(window / np.tile(energy, window.size // hop))


def low_delay_pair(slice_length: int, hop: int, synthesis_length: int) -> tuple[F64, F64]:
    """A long analysis window `(slice_length,)` that falls steeply, and a short synthesis window `(synthesis_length,)`.

    The synthesis window lies at the end of the slice. There the product of the two is a Hann window of its length,
    whose translates by `hop` sum to one; the hop divides it, twice at least. The analysis window rises as the square
    root of a Hann window over all but the last synthesis_length / 2 samples, and falls as one over those (Mauler,
    Martin, "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis system for speech
    enhancement", EUSIPCO 2007).
    """
    fall = synthesis_length // 2
    rise = slice_length - fall
    # Square roots of Hann windows, sampled at half-integers: nowhere zero, so that the product can be divided.
    rising = np.sin(np.pi / 2 * (np.arange(rise) + 0.5) / rise)
    falling = np.cos(np.pi / 2 * (np.arange(fall) + 0.5) / fall)
    analysis = np.concatenate([rising, falling])
    product = np.sin(np.pi * (np.arange(synthesis_length) + 0.5) / synthesis_length) ** 2 * (2 * hop / synthesis_length)
    return analysis, product / analysis[-synthesis_length:]
