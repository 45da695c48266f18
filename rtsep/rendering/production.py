"""What studios do to instruments that SoundFonts have bare: amplifiers, chorus, echoes, pumping, drum rooms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from rtsep.effects.processors import Band, compress, equalize, log_uniform, reverberate, room_tail, saturate
from rtsep.rendering.soundfonts import SAMPLE_RATE
from rtsep.types import Audio

_REACH = 20.0  # dB below a stem's loudest, where its compressor begins at the lowest


def through_amplifier(samples: Audio, drive_db: float, rng: np.random.Generator) -> Audio:
    """An electric guitar or bass through a valve stage, lopsided, and a loudspeaker that ends at 4 or 6 kHz."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 1e-6:
        return samples
    tight = sosfilt(_high_pass(rng.uniform(60, 200)), samples, axis=0) / peak
    bias = rng.uniform(0, 0.3)
    bent = np.tanh(tight * 10 ** (drive_db / 20) + bias) - np.tanh(bias)
    presence = Band("peak", rng.uniform(1500, 3500), rng.uniform(0, 8), rng.uniform(0.5, 1.5))
    speaker = np.concatenate([butter(4, rng.uniform(3500, 6500), fs=SAMPLE_RATE, output="sos"), _high_pass(75)])
    return np.asarray(equalize(sosfilt(speaker, bent, axis=0), [presence], SAMPLE_RATE) * peak, np.float32)


def chorus(samples: Audio, depth: float, rate: float, amount: float) -> Audio:
    """With a copy whose delay swings by `depth` seconds about 15 ms, `rate` times a second, left against right."""
    n = len(samples)
    now = np.arange(n)
    out = samples.copy()
    for c in range(samples.shape[1]):
        swing = np.sin(2 * np.pi * rate * now / SAMPLE_RATE + np.pi * c)
        out[:, c] += amount * np.interp(now - (0.015 + depth * swing) * SAMPLE_RATE, now, samples[:, c], left=0.0)
    return np.asarray(out, np.float32)


def echo(samples: Audio, seconds: float, feedback: float, level: float) -> Audio:
    """With echoes every `seconds`, from side to side, each `feedback` times the one before; the first at `level`."""
    out = samples.copy()
    step, gain = round(seconds * SAMPLE_RATE), level
    for i in range(1, 8):
        if i * step >= len(samples) or gain < 0.01:
            break
        out[i * step :] += gain * samples[: -i * step, :: -1 if i % 2 else 1]
        gain *= feedback
    return out


def duck(samples: Audio, times: Sequence[float], depth: float, seconds: float) -> Audio:
    """Turned down to 1 - `depth` at each of the `times`, as by a compressor that hears the bass drum there."""
    gain = np.ones(len(samples), np.float32)
    n = round(4 * seconds * SAMPLE_RATE)
    dip = (1 - depth * np.exp(-((np.arange(n) / (seconds * SAMPLE_RATE)) ** 2))).astype(np.float32)
    for time in times:
        start = round(time * SAMPLE_RATE)
        into = gain[start : start + n]
        np.minimum(into, dip[: len(into)], out=into)
    return np.asarray(samples * gain[:, None], np.float32)


def squeeze(samples: Audio, ratio: float, attack: float, release: float, rng: np.random.Generator) -> Audio:
    """Compressed from somewhere in the upper 20 dB of the stem's level on."""
    threshold = 20 * np.log10(max(float(np.abs(samples).max(initial=0.0)), 1e-6)) - rng.uniform(6, _REACH)
    return compress(samples, threshold, ratio, attack, release, SAMPLE_RATE)


def produce_drums(samples: Audio, rng: np.random.Generator) -> Audio:
    """A drum bus: room, compression beside the dry sound, tape, each or none; the bass drum leads, as on records."""
    if rng.random() < 0.5:
        tail = room_tail(log_uniform(0.15, 1.5, rng), rng.uniform(-18, -4), rng.uniform(0.3, 1), 2, SAMPLE_RATE, rng)
        samples = reverberate(samples, tail)
    if rng.random() < 0.6:
        crushed = squeeze(samples, rng.uniform(3, 12), log_uniform(0.001, 0.02, rng), log_uniform(0.05, 0.3, rng), rng)
        makeup = float(np.abs(samples).max(initial=1e-6) / max(np.abs(crushed).max(initial=0.0), 1e-6))
        samples = np.asarray(samples + crushed * (makeup * rng.uniform(0.2, 1.0)), np.float32)
    if rng.random() < 0.4:
        samples = saturate(samples, rng.uniform(0, 14))
    bands = [Band("high", log_uniform(3000, 9000, rng), rng.uniform(-6, 5), 0.7)]
    bands += [Band("low", log_uniform(80, 150, rng), rng.uniform(0, 10), 0.7)]
    return equalize(samples, bands, SAMPLE_RATE)


def produce_bass(samples: Audio, rng: np.random.Generator) -> Audio:
    """A bass: driven or clean, compressed, with more or less of its strings."""
    if rng.random() < 0.35:
        driven = through_amplifier(samples, rng.uniform(6, 30), rng)
        samples = np.asarray(samples + driven * rng.uniform(0.2, 1.5), np.float32)
    if rng.random() < 0.6:
        samples = squeeze(samples, rng.uniform(2, 8), log_uniform(0.003, 0.05, rng), log_uniform(0.05, 0.3, rng), rng)
    return equalize(samples, [Band("peak", log_uniform(500, 2500, rng), rng.uniform(-6, 8), 0.7)], SAMPLE_RATE)


def produce_instrument(samples: Audio, electric: bool, beat: float, rng: np.random.Generator) -> Audio:
    """Any other instrument; electric guitars are driven. Echoes keep to the `beat` in seconds."""
    if electric:
        samples = through_amplifier(samples, rng.uniform(0, 40), rng)
    if rng.random() < 0.25:
        samples = chorus(samples, rng.uniform(0.001, 0.005), log_uniform(0.1, 3, rng), rng.uniform(0.3, 1))
    if rng.random() < 0.25:
        seconds = beat * float(rng.choice([0.5, 0.75, 1.0]))
        samples = echo(samples, seconds, rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        samples = squeeze(samples, rng.uniform(2, 6), log_uniform(0.003, 0.05, rng), log_uniform(0.05, 0.3, rng), rng)
    cut = Band("low", log_uniform(80, 300, rng), rng.uniform(-9, 0), 0.7)
    return equalize(samples, [cut, Band("high", 4000, rng.uniform(-5, 6), 0.7)], SAMPLE_RATE)


def _high_pass(frequency: float) -> NDArray[np.float64]:
    return np.asarray(butter(2, frequency, "highpass", fs=SAMPLE_RATE, output="sos"))
