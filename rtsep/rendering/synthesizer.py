"""A subtractive and FM synthesizer whose sounds are drawn at random, and drum machines, which play parts of songs."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from rtsep.effects.processors import log_uniform, sides
from rtsep.rendering.midi import Part
from rtsep.rendering.soundfonts import SAMPLE_RATE
from rtsep.rendering.synthesizer_kernels import Patch, add_note
from rtsep.types import Audio

Role = Literal["bass", "lead", "pad", "pluck"]

_TIMES = {  # shortest and longest attack, decay and release, then the range of the sustained level
    "bass": ((0.002, 0.01), (0.1, 1.5), (0.02, 0.15), (0.2, 0.9)),
    "lead": ((0.003, 0.05), (0.1, 1.0), (0.05, 0.4), (0.4, 0.9)),
    "pad": ((0.05, 0.6), (0.5, 2.0), (0.3, 1.2), (0.6, 1.0)),
    "pluck": ((0.001, 0.004), (0.08, 0.6), (0.05, 0.4), (0.0, 0.1)),
}
_MOST_RELEASES = 5  # a note is computed until it has fallen by e to this power


def draw_patch(role: Role, rng: np.random.Generator) -> Patch:
    """A sound for the role: as different as the presets of such instruments are."""
    times = _TIMES[role]
    bass, pad = role == "bass", role == "pad"
    attack, decay, release = (log_uniform(low, high, rng) for low, high in times[:3])
    bell = rng.random() < (0.2 if bass else 0.3)  # FM; the others are subtractive
    pulsing = rng.random() < 0.4
    wide = not bass and rng.random() < 0.6
    return Patch(
        saw=0.0 if bell else float(rng.choice([0.0, 0.5, 1.0]) if pulsing else 1.0),
        pulse=1.0 if pulsing and not bell else 0.0,
        pulse_width=rng.uniform(0.1, 0.5),
        sub=rng.choice([0.0, 0.6, 1.2]) if bass else rng.choice([0.0, 0.0, 0.3]),
        noise=rng.choice([0.0, 0.0, 0.03, 0.15]),
        fm=1.0 if bell else 0.0,
        fm_ratio=float(rng.choice([0.5, 1, 1, 2, 3, 3.5, 5, 7])) * rng.uniform(0.998, 1.002),
        fm_index=rng.uniform(0.5, 6),
        voices=int(rng.choice([3, 5, 7])) if wide or pad else int(rng.choice([1, 1, 2])),
        detune=log_uniform(0.003, 0.04, rng),
        width=rng.uniform(0.4, 1.0) if wide or pad else 0.0,
        corner=rng.uniform(0.5, 4) if not bell else rng.uniform(3, 7),
        damping=2 - 1.85 * rng.beta(1.2, 1.2),
        filter_octaves=rng.choice([0.0, 1.0]) * rng.uniform(0.5, 4.5),
        filter_decay=log_uniform(0.04, 1.0, rng),
        lfo_rate=log_uniform(0.1, 8, rng),
        lfo_filter=rng.choice([0.0, 0.0, 1.0]) * rng.uniform(0.1, 1.5),
        lfo_pitch=0.0 if bass else rng.choice([0.0, 1.0]) * rng.uniform(0.0, 0.025),
        attack=attack,
        decay=decay,
        sustain=rng.uniform(*times[3]),
        release=release,
    )


def play(part: Part, patch: Patch, seconds: float, rng: np.random.Generator) -> Audio:
    """The sound `(n_samples, 2)` of a part's notes, `seconds` long; softer notes are softer, no other change."""
    out = np.zeros((round(seconds * SAMPLE_RATE), 2), np.float32)
    tail = round(_MOST_RELEASES * patch.release * SAMPLE_RATE)
    for note in part.notes:
        start, held = round(note.start * SAMPLE_RATE), max(round((note.end - note.start) * SAMPLE_RATE), 1)
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        gain = 0.1 * (note.velocity / 127) ** 1.5
        add_note(out[start : start + held + tail], held, frequency, gain, patch, rng, SAMPLE_RATE)
    return out


def play_drums(part: Part, seconds: float, rng: np.random.Generator) -> Audio:
    """The sound `(n_samples, 2)` of a drum part on a machine drawn at random: one hit for each key."""
    out = np.zeros((round(seconds * SAMPLE_RATE), 2), np.float32)
    character = np.random.default_rng(rng.integers(1 << 32))
    hits = {pitch: _hit(pitch, character) for pitch in sorted({note.pitch for note in part.notes})}
    for note in part.notes:
        start = round(note.start * SAMPLE_RATE)
        into = out[start : start + len(hits[note.pitch])]
        into += hits[note.pitch][: len(into)] * np.float32((note.velocity / 127) ** 1.5)
    return out


def _hit(pitch: int, rng: np.random.Generator) -> Audio:
    """One sound of a drum machine for a General MIDI key: swept sines, noise in bands, both at a place."""
    if pitch in (35, 36):
        mono = _swept(log_uniform(38, 65, rng), rng.uniform(1, 3.5), log_uniform(0.08, 0.5, rng), rng)
        mono = _sum(np.tanh(mono * log_uniform(1, 5, rng)), _burst(2000, 9000, 0.004, rng) * rng.uniform(0, 0.5))
        return _placed(mono, 0.0)
    if pitch in (37, 38, 40):
        tone = _swept(log_uniform(150, 260, rng), 0.4, log_uniform(0.04, 0.15, rng), rng)
        noise = _burst(log_uniform(400, 2500, rng), 14000, log_uniform(0.05, 0.3, rng), rng)
        return _placed(_sum(0.8 * tone, rng.uniform(0.5, 1.5) * noise), 0.0)
    if pitch in (39, 54, 69, 70, 82):
        mono = _burst(log_uniform(700, 1200, rng), log_uniform(2500, 9000, rng), log_uniform(0.05, 0.2, rng), rng)
        return _placed(mono, rng.uniform(-0.4, 0.4))
    if pitch in (42, 44):
        return _placed(0.5 * _metal(log_uniform(0.02, 0.08, rng), rng), rng.uniform(-0.5, 0.5))
    if pitch in (46, 49, 51, 52, 53, 55, 57, 59):
        return _placed(0.5 * _metal(log_uniform(0.15, 0.9, rng), rng), rng.uniform(-0.6, 0.6))
    mono = _swept(log_uniform(70, 400, rng), rng.uniform(0.2, 1), log_uniform(0.06, 0.4, rng), rng)
    return _placed(0.8 * mono, rng.uniform(-0.7, 0.7))


def _swept(frequency: float, octaves: float, decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A sine that falls by `octaves` to its frequency."""
    t = np.arange(round(6 * decay * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = frequency * 2 ** (octaves * np.exp(-t / log_uniform(0.008, 0.05, rng)))
    return np.asarray(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) * np.exp(-t / decay))


def _burst(low: float, high: float, decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise between two frequencies that dies away."""
    n = round(6 * decay * SAMPLE_RATE)
    band = butter(2, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, rng.standard_normal(n)) * np.exp(-np.arange(n) / (decay * SAMPLE_RATE)))


def _metal(decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A cymbal: six square waves out of tune, with noise, above some kilohertz."""
    n = round(6 * decay * SAMPLE_RATE)
    phases = np.outer(log_uniform(200, 900, rng) * rng.uniform(1, 3, 6), np.arange(n) / SAMPLE_RATE)
    squares = np.sign(np.sin(2 * np.pi * phases)).mean(axis=0) + rng.uniform(0, 1) * rng.standard_normal(n)
    high = butter(2, log_uniform(3000, 8000, rng), "highpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(high, squares) * np.exp(-np.arange(n) / (decay * SAMPLE_RATE)))


def _sum(*sounds: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.zeros(max(map(len, sounds)))
    for sound in sounds:
        out[: len(sound)] += sound
    return out


def _placed(mono: NDArray[np.float64], place: float) -> Audio:
    return np.asarray(mono[:, None] * sides(place), np.float32)
