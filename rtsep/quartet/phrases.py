"""A voice played by one instrument: single notes resampled to pitch, held, joined, with vibrato, swells and breath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.signal import butter, sosfilt

from rtsep.errors import OptionError
from rtsep.quartet.chorales import Timing, Tone
from rtsep.quartet.kernels import read_at
from rtsep.quartet.single_notes import SAMPLE_RATE, SingleNote, Sound, load_sound
from rtsep.types import F32, F64

_TAIL = 0.5  # seconds of silence after the last note
_NEAREST = 4  # notes, by pitch, of which one is drawn


@dataclass(frozen=True)
class Instrument:
    """What is usual of it: compass in MIDI numbers, vibrato, the band in Hz of bow or breath, how far notes are moved.

    `semitones` is how far from their own pitch notes are played, low and high: a larger or smaller instrument.
    """

    name: str
    lowest: int
    highest: int
    vibrato_chance: float
    vibrato_cents: tuple[float, float]
    noise_band: tuple[float, float]
    semitones: tuple[float, float]


@dataclass(frozen=True)
class Player:
    """One player on one day: tuning and vibrato in cents, the chance of a join, seconds of lateness, levels in dB."""

    tuning: float
    vibrato_cents: float
    vibrato_hz: float
    legato: float
    join: float
    late: float
    uneven: float
    noise_db: float
    moved: float
    dynamic: str


def draw_player(instrument: Instrument, dynamics: Sequence[str], rng: np.random.Generator) -> Player:
    """Anyone who plays this instrument."""
    vibrato = rng.uniform(*instrument.vibrato_cents) if rng.random() < instrument.vibrato_chance else 0.0
    return Player(
        tuning=rng.normal(0, 8),
        vibrato_cents=vibrato,
        vibrato_hz=rng.uniform(4.5, 6.5),
        legato=rng.uniform(0.2, 1.0),
        join=rng.uniform(0.02, 0.08),
        late=rng.normal(0, 0.015),
        uneven=rng.uniform(0.005, 0.025),
        noise_db=rng.uniform(-55, -32),
        moved=rng.uniform(*instrument.semitones),
        dynamic=str(rng.choice(dynamics)),
    )


def play(
    voice: Sequence[Tone],
    timing: Timing,
    instrument: Instrument,
    player: Player,
    notes: Sequence[SingleNote],
    rng: np.random.Generator,
) -> F32:
    """The samples of a whole voice at 44.1 kHz, mono, with an RMS of about 1."""
    seconds = timing.at(max(tone.end for tone in voice)) + _TAIL
    out = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    starts = [max(timing.at(t.start) + player.late + rng.normal(0, player.uneven), 0.02) for t in voice]
    joined = False
    for i, tone in enumerate(voice):
        following = voice[i + 1] if i + 1 < len(voice) else None
        joins = following is not None and following.start - tone.end < 0.01 and following.pitch != tone.pitch
        joins = joins and rng.random() < player.legato
        end = starts[i + 1] if joins else timing.at(tone.end) - rng.uniform(0.0, 0.08)
        length = max(end - starts[i], 0.06) + (player.join if joins else 0.0)
        sound = _choose(tone.pitch - player.moved, player.dynamic, notes, rng)
        samples = _one_note(sound, tone.pitch, length, joined, joins, player, rng)
        at = round(starts[i] * SAMPLE_RATE)
        samples = samples[: max(len(out) - at, 0)]
        out[at : at + len(samples)] += samples
        joined = joins
    return _with_noise(_with_swells(out, rng), instrument.noise_band, player.noise_db, rng)


def _choose(pitch: float, dynamic: str, notes: Sequence[SingleNote], rng: np.random.Generator) -> tuple[Sound, int]:
    """One of the notes nearest in pitch, with its own; those of another dynamic count as 4 semitones further away."""
    nearest = sorted(notes, key=lambda n: abs(n.pitch - pitch) + (4 if n.dynamic != dynamic else 0))
    sounds = ((sound, note.pitch) for note in nearest if (sound := load_sound(note)) is not None)
    found = list(islice(sounds, _NEAREST))
    if not found:
        raise OptionError(f"{notes[0].path.parent} has no note that can be held: give recordings of longer ones")
    return found[int(rng.integers(len(found)))]


def _one_note(
    chosen: tuple[Sound, int],
    pitch: int,
    length: float,
    joined: bool,
    joins: bool,
    player: Player,
    rng: np.random.Generator,
) -> F32:
    """`length` seconds of one note; `joined` to the one before it starts in its steady tone, else with its attack."""
    sound, own = chosen
    n = round(length * SAMPLE_RATE)
    time = np.arange(n) / SAMPLE_RATE
    cents = player.tuning + rng.normal(0, 4) + _drift(n, rng) + _vibrato(time, player, rng)
    speed = 2 ** ((pitch - own) / 12 + cents / 1200)
    start = max(sound.steady - round(rng.uniform(0.0, 0.04) * SAMPLE_RATE), 1) if joined else 1
    positions = start + np.cumsum(speed)
    held = hold(sound, round(positions[-1]) + 4, rng)
    out = np.empty(n, np.float32)
    read_at(held, positions, out)
    rise = fade(min(round((player.join if joined else 0.003) * SAMPLE_RATE), n))
    fall = fade(min(round((player.join if joins else rng.uniform(0.04, 0.15)) * SAMPLE_RATE), n))
    out[: len(rise)] *= rise
    out[n - len(fall) :] *= fall[::-1]
    return np.asarray(out * np.float32(10 ** (rng.normal(0, 1.0) / 20)))


def hold(sound: Sound, n: int, rng: np.random.Generator) -> F32:
    """At least `n` samples: where the note is shorter, pieces of its steady tone follow, spliced in phase."""
    steady = sound.samples[sound.steady : sound.steady_end]
    overlap = min(round(0.05 * SAMPLE_RATE), len(steady) // 3)
    window = fade(overlap)
    out = np.empty(n + len(steady), np.float32)
    filled = min(sound.steady_end, n)
    out[:filled] = sound.samples[:filled]
    while filled < n:
        end = out[filled - overlap : filled]
        latest = len(steady) - 2 * overlap
        first = round(rng.uniform(0, 0.5) * latest)
        # Where the tone looks most like what it follows.
        reach = steady[first : first + min(latest - first, round(0.02 * SAMPLE_RATE)) + overlap]
        start = first + int(np.argmax(np.correlate(reach, end, "valid")))
        piece = steady[start:]
        out[filled - overlap : filled] = end * (1 - window) + piece[:overlap] * window
        out[filled : filled + len(piece) - overlap] = piece[overlap:]
        filled += len(piece) - overlap
    return out[:n]


def fade(n: int) -> F32:
    """From 0 to 1 in `n` samples, as half a cosine; with its reverse it adds up to one."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n), np.float32)


def _vibrato(time: F64, player: Player, rng: np.random.Generator) -> F64:
    """In cents; it sets in after a while, and its rate is never quite even."""
    if not player.vibrato_cents:
        return np.zeros_like(time)
    rate = player.vibrato_hz * (1 + rng.normal(0, 0.05))
    depth = player.vibrato_cents * np.clip((time - rng.uniform(0.05, 0.3)) / 0.3, 0.0, 1.0)
    return np.asarray(depth * np.sin(2 * np.pi * rate * time + rng.uniform(0, 2 * np.pi)))


def _drift(n: int, rng: np.random.Generator) -> F64:
    """Slow wandering of some cents, and now and then a slide into the note."""
    knots = np.linspace(0, n, 5)
    slide = rng.normal(0, 15) if rng.random() < 0.3 else 0.0
    wander = np.interp(np.arange(n), knots, np.cumsum(rng.normal(0, 2, 5)))
    return np.asarray(wander + slide * np.exp(-np.arange(n) / (0.03 * SAMPLE_RATE)))


def _with_swells(samples: F32, rng: np.random.Generator) -> F32:
    """Louder and softer by some dB as a phrase goes on."""
    n_knots = max(round(len(samples) / SAMPLE_RATE / rng.uniform(0.5, 2.0)), 2)
    db = np.interp(np.arange(len(samples)), np.linspace(0, len(samples), n_knots), rng.normal(0, 2.5, n_knots))
    return np.asarray(samples * 10 ** (db / 20), np.float32)


def _with_noise(samples: F32, band: tuple[float, float], db: float, rng: np.random.Generator) -> F32:
    """With the noise of bow or breath, `db` beside the tone and as loud as that is."""
    noise = sosfilt(butter(1, band, "bandpass", fs=SAMPLE_RATE, output="sos"), rng.standard_normal(len(samples)))
    smooth = sosfilt(butter(1, 8.0, fs=SAMPLE_RATE, output="sos"), np.abs(samples))
    noise *= smooth * (10 ** (db / 20) / np.sqrt(np.mean(noise**2)))
    return np.asarray(samples + noise, np.float32)
