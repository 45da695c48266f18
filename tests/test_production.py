"""What studios do to instruments, each by the property that gives it its name."""

import numpy as np
import pytest

from rtsep.effects.processors import room_tail
from rtsep.rendering.production import (
    chorus,
    duck,
    echo,
    produce_bass,
    produce_drums,
    produce_instrument,
    squeeze,
    through_amplifier,
)

RATE = 44100


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    wave = np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def power_at(samples: np.ndarray, frequency: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples[:, 0] * np.hanning(len(samples)))) ** 2
    return float(spectrum[frequency - 2 : frequency + 3].sum() / spectrum.sum())


def test_an_amplifier_adds_harmonics_and_its_loudspeaker_ends_early():
    clean, driven = (through_amplifier(tone(220), drive, np.random.default_rng(1)) for drive in (-30.0, 30.0))
    assert power_at(clean, 660) < 1e-4
    assert power_at(driven, 660) > 0.01
    bright = through_amplifier(tone(9000), -30.0, np.random.default_rng(1))
    assert np.std(bright[8820:]) < 0.1 * np.std(tone(9000))
    assert not through_amplifier(np.zeros((10, 2), np.float32), 30.0, np.random.default_rng(1)).any()


def test_chorus_moves_left_and_right_apart():
    assert np.array_equal(*tone(440).T)
    out = chorus(tone(440), 0.003, 1.0, 0.7)
    assert np.std(out[:, 0] - out[:, 1]) > 0.1


def test_echoes_come_back_from_the_other_side():
    click = np.zeros((RATE, 2), np.float32)
    click[100, 0] = 1.0
    out = echo(click, 0.25, 0.5, 0.4)
    step = RATE // 4
    heard = {(i, c): float(out[i, c]) for i, c in np.argwhere(out)}
    assert heard == pytest.approx(
        {(100, 0): 1.0, (100 + step, 1): 0.4, (100 + 2 * step, 0): 0.2, (100 + 3 * step, 1): 0.1}
    )


def test_ducking_is_deepest_at_the_beat_and_gone_before_the_next():
    steady = np.ones((RATE, 2), np.float32)
    out = duck(steady, [0.2, 0.99], 0.8, 0.1)
    assert out[round(0.2 * RATE)] == pytest.approx(0.2)
    assert out[round(0.1 * RATE)] == pytest.approx(1.0)
    assert out[round(0.3 * RATE), 0] == pytest.approx(1 - 0.8 / np.e, abs=1e-3)
    assert out[round(0.7 * RATE)] == pytest.approx(1.0, abs=1e-3)


def test_squeezing_brings_loud_and_soft_together():
    two = np.concatenate([tone(300), 0.05 * tone(300)])
    out = squeeze(two, 8.0, 0.002, 0.05, np.random.default_rng(0))
    before, after = (np.std(x[: RATE // 2]) / np.std(x[-RATE // 2 :]) for x in (two, out))
    assert before == pytest.approx(20, rel=0.01)
    assert after < 0.7 * before


@pytest.mark.parametrize("seed", range(6))
def test_productions_keep_length_and_silence_and_are_the_same_for_the_same_seed(seed):
    rng = np.random.default_rng(seed)
    hit = (room_tail(0.3, 0.0, 0.8, 2, RATE, rng) * 0.3)[: RATE // 4]
    sound = np.concatenate([np.zeros((RATE // 4, 2), np.float32), hit])
    for produce in (
        produce_drums,
        produce_bass,
        lambda x, r: produce_instrument(x, True, 0.5, r),
        lambda x, r: produce_instrument(x, False, 0.5, r),
    ):
        out = produce(sound, np.random.default_rng(seed))
        assert out.shape == sound.shape
        assert np.isfinite(out).all()
        assert np.abs(out[: RATE // 4 - 200]).max() < 1e-6
        assert np.abs(out).max() > 0.01
        assert np.array_equal(out, produce(sound, np.random.default_rng(seed)))
