"""Recordings of single notes, as orchestras give them away: which note each is, and where its steady tone lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.ndimage import uniform_filter1d

from rtsep.errors import AudioError, OptionError
from rtsep.io.folders import sounds_below
from rtsep.types import F32

SAMPLE_RATE = 44100
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_HELD_OUT_PITCHES = 5  # one pitch in so many
_FEWEST = 20  # notes of a dynamic that may be held out
_LEAST_STEADY = 0.15  # seconds; shorter tones cannot be held


@dataclass(frozen=True)
class SingleNote:
    """One file: `INSTRUMENT_NOTE_LENGTH_DYNAMIC_TECHNIQUE.mp3`, as in violin_As3_15_forte_arco-normal.mp3."""

    path: Path
    pitch: int  # MIDI number
    dynamic: str


@dataclass(frozen=True, eq=False)
class Sound:
    """A note's samples from its onset on, mono, its steady tone at an RMS of 1 from `steady` to `steady_end`."""

    samples: F32
    steady: int
    steady_end: int


def find_notes(folder: Path) -> list[SingleNote]:
    """The notes of one instrument, in `folder` and below it; empty files, as one collection has, are left out.

    Raises OptionError where there are none, or a name is not of the form above.
    """
    paths = [path for path in sounds_below(folder) if path.stat().st_size]
    if not paths:
        raise OptionError(f"no notes under {folder}: expected files as violin_As3_15_forte_arco-normal.mp3")
    return [_note(path) for path in paths]


def split_notes(notes: Sequence[SingleNote], rng: np.random.Generator) -> tuple[list[SingleNote], list[SingleNote]]:
    """Notes to learn from, and held-out ones: every fifth pitch, and all of one dynamic."""
    dynamics = sorted({n.dynamic for n in notes if sum(m.dynamic == n.dynamic for m in notes) >= _FEWEST})
    dynamic = str(rng.choice(dynamics)) if len(dynamics) > 1 else None
    first = int(rng.integers(_HELD_OUT_PITCHES))
    held_out = [n for n in notes if n.pitch % _HELD_OUT_PITCHES == first or n.dynamic == dynamic]
    return [n for n in notes if n not in held_out], held_out


@cache
def load_sound(note: SingleNote) -> Sound | None:
    """What a note sounds like; None where its steady tone is too short to be held. Raises AudioError."""
    try:
        samples, rate = soundfile.read(note.path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        why = error.error_string.rstrip(".")
        raise AudioError(f"{note.path} cannot be read ({why}): fetch it again, or take it out of the folder") from error
    mono = samples.mean(axis=1)
    return cut_sound(soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono)


def cut_sound(samples: F32) -> Sound | None:
    """From the onset to the end of a mono recording; steady is what stays within 6 dB of the level at its middle."""
    energy = uniform_filter1d(samples.astype(np.float64) ** 2, round(0.03 * SAMPLE_RATE), mode="constant")
    level = np.sqrt(np.maximum(energy, 0))  # the filter's rounding may fall below
    sounding = np.flatnonzero(level > 0.02 * level.max(initial=0.0))
    if not sounding.size:
        return None
    onset, end = max(int(sounding[0]) - round(0.01 * SAMPLE_RATE), 0), int(sounding[-1])
    samples, level = samples[onset:end], level[onset:end]
    full = np.flatnonzero(level > 0.5 * np.median(level))
    steady = int(full[0]) + round(0.06 * SAMPLE_RATE)
    steady_end = int(full[-1]) - round(0.03 * SAMPLE_RATE)
    if steady_end - steady < _LEAST_STEADY * SAMPLE_RATE:
        return None
    rms = float(np.sqrt(np.mean(samples[steady:steady_end].astype(np.float64) ** 2)))
    return Sound(np.ascontiguousarray(samples / np.float32(rms)), steady, steady_end)


def note_name(pitch: int) -> str:
    """A MIDI number as files of notes name it: 58 is As3."""
    octave, step = divmod(pitch, 12)
    letter = max((name for name, steps in _STEPS.items() if steps <= step), key=_STEPS.__getitem__)
    return f"{letter}{'s' * (step - _STEPS[letter])}{octave - 1}"


def _note(path: Path) -> SingleNote:
    parts = path.stem.split("_")
    name = parts[1] if len(parts) >= 4 else ""
    letter, sharp, octave = name[:1], name[1:-1], name[-1:]
    if letter not in _STEPS or sharp not in ("", "s") or not octave.isdigit():
        raise OptionError(f"{path} does not tell its note: name it as violin_As3_15_forte_arco-normal.mp3")
    return SingleNote(path, 12 * (int(octave) + 1) + _STEPS[letter] + len(sharp), parts[3])
