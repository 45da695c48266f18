"""What a mixing desk does to one stem, each as a function of the samples `(n_samples, n_channels)` float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import oaconvolve, sosfilt

from rtsep.effects.kernels import follow
from rtsep.types import F32, Audio, Stems

_FLOOR = 1e-6


@dataclass(frozen=True)
class Band:
    """One band of an equalizer: a peak, or a shelf below or above; in Hz, dB, and quality (shelves: 0.7 is smooth)."""

    kind: Literal["peak", "low", "high"]
    frequency: float
    gain_db: float
    quality: float


def equalize(samples: Audio, bands: Sequence[Band], sample_rate: int) -> Audio:
    """Filtered by all bands in turn; each below half the sample rate."""
    sections = np.stack([biquad(band, sample_rate) for band in bands])
    return np.asarray(sosfilt(sections, samples, axis=0), np.float32)


def biquad(band: Band, sample_rate: int) -> NDArray[np.float64]:
    """One second-order section `(6,)`: Bristow-Johnson, "Cookbook formulae for audio equalizer biquad coefficients"."""
    a = 10 ** (band.gain_db / 40)
    w = 2 * np.pi * band.frequency / sample_rate
    c, alpha = np.cos(w), np.sin(w) / (2 * band.quality)
    if band.kind == "peak":
        b0, b1, b2 = 1 + alpha * a, -2 * c, 1 - alpha * a
        a0, a1, a2 = 1 + alpha / a, -2 * c, 1 - alpha / a
    else:
        s = 1.0 if band.kind == "low" else -1.0
        root = 2 * np.sqrt(a) * alpha
        b0, b2 = (a * ((a + 1) - s * (a - 1) * c + sign * root) for sign in (1, -1))
        b1 = s * 2 * a * ((a - 1) - s * (a + 1) * c)
        a0, a2 = ((a + 1) + s * (a - 1) * c + sign * root for sign in (1, -1))
        a1 = -s * 2 * ((a - 1) + s * (a + 1) * c)
    return np.asarray(np.array([b0, b1, b2, a0, a1, a2]) / a0)


def compress(
    samples: Audio, threshold_db: float, ratio: float, attack: float, release: float, sample_rate: int
) -> Audio:
    """Quieter where the loudest channel exceeds `threshold_db` (dBFS): what exceeds is divided by `ratio`.

    The gain follows in `attack` and `release` seconds, smoothed in dB without a branch for the level detector
    (Giannoulis, Massberg, Reiss 2012, "Digital dynamic range compressor design").
    """
    level_db = 20 * np.log10(np.maximum(np.abs(samples).max(axis=1), np.float32(_FLOOR)))
    gain_db = np.empty(len(samples), np.float32)
    slow_in, slow_out = (float(np.exp(-1 / (seconds * sample_rate))) for seconds in (attack, release))
    follow(level_db, threshold_db, 1 - 1 / ratio, slow_in, slow_out, gain_db)
    return np.asarray(samples * 10 ** (gain_db / 20)[:, None], np.float32)


def saturate(samples: Audio, drive_db: float) -> Audio:
    """Bent by tanh, `drive_db` above where it begins to bend; peaks stay where they are, all else comes up to them."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < _FLOOR:
        return samples
    drive = 10 ** (drive_db / 20)
    return np.asarray(np.tanh(samples * (drive / peak)) * (peak / np.tanh(drive)), np.float32)


def room_tail(
    seconds: float, level_db: float, brightness: float, n_channels: int, sample_rate: int, rng: np.random.Generator
) -> Audio:
    """The impulse response `(n, n_channels)` of a room: the direct sound, then noise that falls by 60 dB in `seconds`.

    The tail's energy is `level_db` beside the direct sound's; every channel has its own noise, darker the lower
    `brightness` between 0 and 1 is. Moorer 1979, "About this reverberation business".
    """
    n = max(round(seconds * sample_rate), 2)
    noise = rng.standard_normal((n, n_channels))
    dark = sosfilt([[brightness, 0, 0, 1, brightness - 1, 0]], noise, axis=0)
    tail = dark * 10 ** (-3 * np.arange(n) / n)[:, None]
    tail *= 10 ** (level_db / 20) / np.sqrt(np.sum(tail**2, axis=0))
    tail[0] = 1.0
    return np.asarray(tail, np.float32)


def reverberate(samples: Audio, tail: Audio) -> Audio:
    """As it sounds in a room with this impulse response; what rings on after the end is cut."""
    return np.asarray(oaconvolve(samples, tail, axes=0)[: len(samples)], np.float32)


def widen(samples: Audio, width: float) -> Audio:
    """The difference of left and right times `width`: 0 makes mono, 1 changes nothing. One channel stays as it is."""
    if samples.shape[1] != 2:
        return samples
    middle = samples.mean(axis=1, keepdims=True)
    return np.asarray(middle + width * (samples - middle), np.float32)


def pan(samples: Audio, place: float) -> Audio:
    """Two channels at a place from -1, left, to 1, right, as loud together as before; one channel stays as it is."""
    if samples.shape[1] != 2:
        return samples
    return np.asarray(samples * (np.sqrt(2) * sides(place)), np.float32)


def sides(place: float) -> NDArray[np.float64]:
    """Gains of left and right for a place from -1, left, to 1, right: of one energy together."""
    angle = np.pi / 4 * (1 + place)
    return np.array([np.cos(angle), np.sin(angle)])


def limit(stems: Stems, ceiling: float, seconds: float, sample_rate: int) -> Stems:
    """Stems `(n_stems, n_samples, n_channels)` whose sum stays within `ceiling`: one gain for all.

    The gain looks ahead and is smoothed over `seconds`: at every sample it is a mean of minima that hold there.
    """
    peaks = np.abs(stems.sum(axis=0)).max(axis=1)
    needed = np.minimum(1.0, ceiling / np.maximum(peaks, _FLOOR))
    width = 2 * round(seconds * sample_rate / 2) + 1
    gain: F32 = uniform_filter1d(minimum_filter1d(needed, width, mode="nearest"), width, mode="nearest")
    return np.asarray(stems * gain[None, :, None], np.float32)


def log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """Between the two, as often in each octave."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
