"""A mixing chain drawn at random: equalizer, compressor, saturation, room, width; and a limiter on the sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtsep.effects.processors import (
    Band,
    compress,
    equalize,
    limit,
    log_uniform,
    pan,
    reverberate,
    room_tail,
    saturate,
    widen,
)
from rtsep.tables import check_numbers
from rtsep.types import Audio, Stems


@dataclass(frozen=True)
class Chain:
    """The chance of each effect, between 0 and 1; `equalizer_db` is how far a band goes up or down at most."""

    equalizer: float = 0.0
    equalizer_db: float = 6.0
    compressor: float = 0.0
    saturation: float = 0.0
    room: float = 0.0
    width: float = 0.0
    pan: float = 0.0
    limiter: float = 0.0

    def __post_init__(self) -> None:
        chances = {name: value for name, value in vars(self).items() if name != "equalizer_db"}
        check_numbers("chain", chances, 0, 1)
        check_numbers("chain", {"equalizer_db": self.equalizer_db}, 0)


def through_chain(samples: Audio, chain: Chain, sample_rate: int, rng: np.random.Generator) -> Audio:
    """The samples after the effects that chance has chosen, as loud (in RMS) as before."""
    level = _rms(samples)
    if level < 1e-5:
        return samples
    if rng.random() < chain.equalizer:
        samples = equalize(samples, _bands(chain.equalizer_db, sample_rate, rng), sample_rate)
    if rng.random() < chain.compressor:
        threshold = 20 * np.log10(_rms(samples)) + rng.uniform(-6, 6)
        attack, release = np.exp(rng.uniform(np.log([0.001, 0.05]), np.log([0.03, 0.4])))
        samples = compress(samples, threshold, rng.uniform(1.5, 8), attack, release, sample_rate)
    if rng.random() < chain.saturation:
        samples = saturate(samples, rng.uniform(0, 12))
    if rng.random() < chain.room:
        seconds = log_uniform(0.1, 1.2, rng)
        tail = room_tail(seconds, rng.uniform(-20, -5), rng.uniform(0.1, 1), samples.shape[1], sample_rate, rng)
        samples = reverberate(samples, tail)
    if rng.random() < chain.width:
        samples = widen(samples, rng.uniform(0, 1.6))
    if rng.random() < chain.pan:
        samples = pan(samples, rng.uniform(-1, 1))
    return np.asarray(samples * (level / max(_rms(samples), 1e-9)), np.float32)


def through_limiter(stems: Stems, chain: Chain, sample_rate: int, rng: np.random.Generator) -> Stems:
    """The stems with the peaks of their sum held down by up to 12 dB, if chance will have it."""
    if rng.random() >= chain.limiter:
        return stems
    peak = float(np.abs(stems.sum(axis=0)).max(initial=0.0))
    seconds = log_uniform(0.005, 0.1, rng)
    return limit(stems, peak * 10 ** (-rng.uniform(0, 12) / 20), seconds, sample_rate)


def _bands(most_db: float, sample_rate: int, rng: np.random.Generator) -> list[Band]:
    """Two shelves and two peaks, each anywhere in its range as far as the sample rate has room for it."""

    def between(low: float, high: float) -> float:
        return min(log_uniform(low, high, rng), 0.45 * sample_rate)

    def gain() -> float:
        return float(rng.uniform(-most_db, most_db))

    return [
        Band("low", between(60, 300), gain(), 0.7),
        Band("peak", between(100, 1000), gain(), between(0.5, 2)),
        Band("peak", between(1000, 8000), gain(), between(0.5, 2)),
        Band("high", between(3000, 10000), gain(), 0.7),
    ]


def _rms(samples: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))
