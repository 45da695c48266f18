"""Notes read from MIDI files, changed, and written again. Times are in seconds: tempo maps end here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.errors import OptionError

DRUM_CHANNEL = 9
_TICKS = 480
_TICKS_A_SECOND = 960.0  # at MIDI's own 120 beats a minute
_SUSTAIN, _VOLUME, _PAN, _BANK = 64, 7, 10, 0


@dataclass(frozen=True)
class Note:
    """One note: start and end in seconds, key number 0 to 127 (60 is middle C), velocity 1 to 127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one player plays: the notes in order of their start, and the General MIDI program 0 to 127."""

    name: str
    program: int
    is_drums: bool
    notes: tuple[Note, ...]


def read_parts(path: Path) -> list[Part]:
    """The parts of a MIDI file, one a track and channel that has notes. Raises OptionError if it cannot be read."""
    mido = _mido()
    try:
        song = mido.MidiFile(path, clip=True)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise OptionError(f"{path} is no MIDI file ({error!r}): leave it out of the folder") from error
    seconds_at = _tempo_map(mido, song)
    parts = []
    for track in song.tracks:
        events = _absolute(track)
        for channel in sorted({e.channel for _, e in events if e.type == "note_on"}):
            own = [(seconds_at(tick), e) for tick, e in events if getattr(e, "channel", None) == channel]
            programs = [e.program for _, e in own if e.type == "program_change"]
            notes = _notes(own)
            if notes:
                parts.append(Part(track.name, programs[0] if programs else 0, channel == DRUM_CHANNEL, notes))
    return parts


def _mido() -> Any:
    try:
        import mido
    except ImportError as error:
        raise OptionError("mido is not installed, MIDI files need it: pip install 'rtsep[render]'") from error
    return mido


def _absolute(track: Iterable[Any]) -> list[tuple[int, Any]]:
    tick, events = 0, []
    for event in track:
        tick += event.time
        events.append((tick, event))
    return events


def _tempo_map(mido: Any, song: Any) -> Callable[[int], float]:
    """A function from ticks to seconds, linear between the tempo changes of all tracks."""
    changes = sorted((tick, e.tempo) for t in song.tracks for tick, e in _absolute(t) if e.type == "set_tempo")
    ticks, tempos, seconds = [0], [500000], [0.0]
    for tick, tempo in changes:
        seconds.append(seconds[-1] + mido.tick2second(tick - ticks[-1], song.ticks_per_beat, tempos[-1]))
        ticks.append(tick)
        tempos.append(tempo)

    def seconds_at(tick: int) -> float:
        last = int(np.searchsorted(ticks, tick, side="right")) - 1
        return float(seconds[last] + mido.tick2second(tick - ticks[last], song.ticks_per_beat, tempos[last]))

    return seconds_at


def _notes(events: Sequence[tuple[float, Any]]) -> tuple[Note, ...]:
    """Notes of one channel; one that ends under the sustain pedal sounds until the pedal rises."""
    sounding: dict[int, tuple[float, int]] = {}
    held: list[Note] = []
    done: list[Note] = []
    pedal = False
    for time, event in events:
        if event.type in ("note_on", "note_off"):
            if event.note in sounding:
                start, velocity = sounding.pop(event.note)
                (held if pedal else done).append(Note(start, time, event.note, velocity))
            if event.type == "note_on" and event.velocity > 0:
                sounding[event.note] = (time, event.velocity)
        elif event.type == "control_change" and event.control == _SUSTAIN:
            pedal = event.value >= 64
            if not pedal:
                done += [replace(note, end=time) for note in held]
                held = []
    return tuple(sorted(done + held, key=lambda n: (n.start, n.pitch)))


def merged(parts: Sequence[Part]) -> Part:
    """The notes of several parts in one, named and played as the first."""
    notes = sorted((note for part in parts for note in part.notes), key=lambda n: (n.start, n.pitch))
    return replace(parts[0], notes=tuple(notes))


def stretched(part: Part, factor: float) -> Part:
    """The part `factor` times as long."""
    notes = (replace(n, start=n.start * factor, end=n.end * factor) for n in part.notes)
    return replace(part, notes=tuple(notes))


def window(part: Part, start: float, seconds: float) -> Part:
    """The notes that begin in the `seconds` from `start` on, with that place as their new zero."""
    kept = (n for n in part.notes if start <= n.start < start + seconds)
    return replace(part, notes=tuple(replace(n, start=n.start - start, end=n.end - start) for n in kept))


def looped(part: Part, period: float, seconds: float) -> Part:
    """The notes before `period`, again and again until `seconds`."""
    once = [n for n in part.notes if n.start < period]
    again = [
        replace(n, start=n.start + i * period, end=n.end + i * period)
        for i in range(int(np.ceil(seconds / period)))
        for n in once
    ]
    return replace(part, notes=tuple(n for n in again if n.start < seconds))


def played(part: Part, gamma: float, spread: float, rng: np.random.Generator) -> Part:
    """The part with velocities 127 (v/127)^gamma, times exp of a normal number with the deviation `spread`."""
    factors = np.exp(spread * rng.standard_normal(len(part.notes)))
    curved = 127 * (np.array([n.velocity for n in part.notes]) / 127) ** gamma * factors
    velocities = np.clip(np.round(curved), 1, 127).astype(int)
    return replace(part, notes=tuple(replace(n, velocity=int(v)) for n, v in zip(part.notes, velocities, strict=True)))


def write_part(path: Path, part: Part, bank: int, channel: int, pan: int, seconds: float) -> None:
    """A MIDI file of one part on one channel, `seconds` long; pan from 0, left, to 127, right."""
    mido = _mido()
    events = [(0, 0, mido.MetaMessage("track_name", name=part.name))]
    events += [(0, 0, mido.Message("control_change", channel=channel, control=_BANK, value=bank))]
    events += [(0, 1, mido.Message("program_change", channel=channel, program=part.program))]
    for control, value in ((_VOLUME, 100), (_PAN, pan)):
        events += [(0, 2, mido.Message("control_change", channel=channel, control=control, value=value))]
    for note in part.notes:
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        off = mido.Message("note_off", channel=channel, note=note.pitch)
        start = round(note.start * _TICKS_A_SECOND)
        events += [(start, 4, on), (max(start + 1, round(note.end * _TICKS_A_SECOND)), 3, off)]
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(round(seconds * _TICKS_A_SECOND) - now, 0)))
    mido.MidiFile(ticks_per_beat=_TICKS, tracks=[track]).save(path)
