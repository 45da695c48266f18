"""Bach's chorales in four voices, as the music21 package has them, and the seconds that their beats fall on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OptionError

VOICES = 4


@dataclass(frozen=True)
class Tone:
    """One sung note: from `start` to `end` in quarter notes, `pitch` as a MIDI number."""

    start: float
    end: float
    pitch: int


@dataclass(frozen=True)
class Chorale:
    """Four voices from soprano to bass, and where in quarter notes its lines rest on a fermata, (start, end)."""

    name: str
    voices: tuple[tuple[Tone, ...], ...]
    fermatas: tuple[tuple[float, float], ...]

    @property
    def end(self) -> float:
        return max(voice[-1].end for voice in self.voices)


def chorale_names() -> list[str]:
    """The catalogue numbers of the chorales in Riemenschneider's edition, each once. Raises OptionError."""
    names = {entry["bwv"] for entry in _music21().chorales.ChoraleListRKBWV().byRiemenschneider.values()}
    return sorted(names)


def read_chorale(name: str) -> Chorale | None:
    """The chorale of a catalogue number; None where it has other than four voices of single notes."""
    score = _music21().parse(f"bach/bwv{name}")
    parts = [list(part.flatten().stripTies().notes) for part in score.parts]
    if len(parts) != VOICES or not all(parts) or any(note.isChord for part in parts for note in part):
        return None
    voices = tuple(tuple(_tone(note) for note in part if note.quarterLength > 0) for part in parts)
    held = [_tone(note) for note in parts[0] if any("Fermata" in type(e).__name__ for e in note.expressions)]
    return Chorale(name, voices, tuple((tone.start, tone.end) for tone in held))


@dataclass(frozen=True)
class Timing:
    """When each quarter note is: `beats` and the `seconds` they fall on, straight lines between."""

    beats: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def at(self, beat: float) -> float:
        return float(np.interp(beat, self.beats, self.seconds))


def draw_timing(chorale: Chorale, rng: np.random.Generator) -> Timing:
    """All voices' time: 56 to 100 quarter notes a minute that wander a little, fermatas up to twice as long."""
    beats = np.arange(0, chorale.end + 0.5, 0.5)
    wander = np.cumsum(rng.normal(0, 0.02, beats.size - 1))
    pace = 60 / rng.uniform(56, 100) * np.exp(np.clip(wander, -0.15, 0.15))
    for start, end in chorale.fermatas:
        pace[(beats[:-1] >= start) & (beats[:-1] < end)] *= rng.uniform(1.0, 2.0)
    return Timing(beats, np.concatenate([[0.0], np.cumsum(0.5 * pace)]))


def _tone(note: Any) -> Tone:
    start = float(note.offset)
    return Tone(start, start + float(note.quarterLength), int(note.pitch.midi))


def _music21() -> Any:
    try:
        from music21 import corpus
        from music21.corpus import chorales  # noqa: F401 (loads it)
    except ImportError as error:
        raise OptionError(f"music21 cannot be imported ({error}): it has the chorales; pip install music21") from error
    return corpus
