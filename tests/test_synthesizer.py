"""The synthesizer against a slow one, and what the drum machine promises."""

import numpy as np
import pytest
from scipy.signal import bilinear, lfilter

from rtsep.rendering.midi import Note, Part
from rtsep.rendering.synthesizer import draw_patch, play, play_drums
from rtsep.rendering.synthesizer_kernels import Patch, add_note

RATE = 44100.0
PLAIN = Patch(
    saw=1.0,
    pulse=0.0,
    pulse_width=0.5,
    sub=0.0,
    noise=0.0,
    fm=0.0,
    fm_ratio=1.0,
    fm_index=0.0,
    voices=1,
    detune=0.0,
    width=0.0,
    corner=1.0,
    damping=0.4,
    filter_octaves=0.0,
    filter_decay=1.0,
    lfo_rate=1.0,
    lfo_filter=0.0,
    lfo_pitch=0.0,
    attack=1 / RATE,
    decay=1.0,
    sustain=1.0,
    release=0.05,
)


def sound(patch: Patch, seconds: float = 0.5, held: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    out = np.zeros((round(seconds * RATE), 2), np.float32)
    add_note(out, round(held * RATE), frequency, 1.0, patch, np.random.default_rng(3), RATE)
    return out


def slow_saw(frequency: float, n: int) -> np.ndarray:
    """The same saw sample by sample: naive, its two samples beside each jump rounded by the polynomial."""
    phase, step, out = np.random.default_rng(3).random(), frequency / RATE, np.empty(n)
    for i in range(n):
        phase = (phase + step) % 1.0
        near = phase / step if phase < step else (phase - 1) / step if phase > 1 - step else None
        round_off = 0.0 if near is None else -((1 - abs(near)) ** 2) * (1 if near >= 0 else -1)
        out[i] = 2 * phase - 1 - round_off
    return out


def test_a_note_is_a_saw_through_a_resonant_low_pass():
    corner = 2 * np.pi * 880.0
    warped = 2 * RATE * np.tan(corner / (2 * RATE))
    b, a = bilinear([warped**2], [1, PLAIN.damping * warped, warped**2], RATE)
    expected = lfilter(b, a, slow_saw(440.0, 22050))
    assert sound(PLAIN)[:, 0] == pytest.approx(expected, abs=2e-4)
    assert np.array_equal(*sound(PLAIN).T)


def test_the_saw_aliases_less_than_a_naive_one():
    frequency, wave = 2637, sound(PLAIN._replace(corner=4.0, damping=1.4), 1.0, frequency=2637.0)[:, 0]
    naive = 2 * (np.random.default_rng(3).random() + frequency / RATE * np.arange(len(wave))) % 2 - 1

    def worst(samples: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        strongest = spectrum.max()
        for k in range(1, 9):
            spectrum[frequency * k - 3 : frequency * k + 4] = 0
        return float(spectrum[: 3 * frequency].max() / strongest)

    assert worst(wave) < 0.2 * worst(naive)


def test_a_released_key_falls_by_e_in_the_release_time():
    out = sound(PLAIN, 0.5, held=0.2)[:, 0]
    first, later = (np.sqrt(np.mean(out[round(t * RATE) : round((t + 0.02) * RATE)] ** 2)) for t in (0.25, 0.35))
    assert np.log(first / later) == pytest.approx(0.1 / PLAIN.release, rel=0.1)


def test_spread_oscillators_differ_left_and_right_and_notes_add_to_what_sounds():
    wide = sound(PLAIN._replace(voices=5, detune=0.02, width=1.0))
    assert np.std(wide[:, 0] - wide[:, 1]) > 0.2 * np.std(wide)
    twice = np.ones((100, 2), np.float32)
    add_note(twice, 100, 440.0, 1.0, PLAIN, np.random.default_rng(3), RATE)
    assert twice == pytest.approx(1 + sound(PLAIN)[:100], abs=1e-6)


@pytest.mark.parametrize("role", ["bass", "lead", "pad", "pluck"])
def test_any_patch_plays_its_notes_when_they_are_and_no_louder_than_it_may(role):
    part = Part("Tune", 0, False, (Note(0.3, 0.6, 45, 100), Note(0.5, 0.8, 57, 90)))
    for seed in range(8):
        patch = draw_patch(role, np.random.default_rng(seed))
        out = play(part, patch, 1.0, np.random.default_rng(seed))
        assert out.shape == (44100, 2)
        assert np.abs(out[:13229]).max() == 0
        assert 0.002 < np.abs(out).max() < 2
        assert np.array_equal(out, play(part, patch, 1.0, np.random.default_rng(seed)))


def test_a_drum_machine_hits_low_and_high_and_is_another_for_another_seed():
    kick, hat = (Part("Drums", 0, True, (Note(0.25, 0.3, pitch, 100),)) for pitch in (36, 42))
    for seed in range(4):
        low, high = (play_drums(part, 1.0, np.random.default_rng(seed))[:, 0] for part in (kick, hat))
        assert np.abs(low[:11024]).max() == 0
        share = [np.sum(np.abs(np.fft.rfft(x))[:300] ** 2) / np.sum(np.abs(np.fft.rfft(x)) ** 2) for x in (low, high)]
        assert share[0] > 0.7
        assert share[1] < 0.05
    other = play_drums(kick, 1.0, np.random.default_rng(9))[:, 0]
    assert np.abs(other - play_drums(kick, 1.0, np.random.default_rng(0))[:, 0]).max() > 0.05
