"""Who plays what: songs without voices, drawn at random from bands, drummers' performances and pop songs' pianos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from rtsep.errors import OptionError
from rtsep.training.bands import Style, band_parts, chart, find_styles
from rtsep.training.midi import Note, Part, looped, merged, played, read_parts, stretched, window
from rtsep.training.soundfonts import Room, SoundFont, find_soundfonts

_PERFORMANCE = re.compile(r"_(\d+)_beat_(\d+)-(\d+)\.mid$")  # Groove MIDI: style_BPM_beat_METRE.mid
_TEMPO_CHANGE = 0.15
_BAND_CHANCE, _OWN_DRUMS_CHANCE, _TUNE_CHANCE = 0.6, 0.5, 0.35
_MOST_VOICES = 4

_BASSES = (32, 33, 33, 33, 34, 34, 35, 36, 37, 38, 38, 39, 39)
_FAMILIES = (  # of General MIDI: pianos, organs, guitars, strings, brass, leads, pads
    (0, 1, 2, 3), (4, 5, 6, 7), (11, 12), (16, 17, 18, 19), (24, 25, 26), (27, 28), (29, 30), (29, 30), (44, 48, 49),
    (50, 51), (61, 62, 63), (80, 81, 82), (84, 86, 87), (88, 89, 90), (92, 93, 94, 95),
)  # fmt: skip
_SOLOISTS = (0, 4, 11, 25, 27, 29, 30, 40, 41, 42, 56, 57, 60, 64, 65, 66, 71, 73, 75, 80, 81, 84)
_NO_OTHER = {47, 52, 53, 54, 85, 91, *range(112, 128)}  # timpani, choirs, voices, drums and noises
# Roland's keys for the edges of cymbals and drums, and the nearest of General MIDI's.
_DRUM_KEYS = {22: 42, 26: 46, 58: 43, 40: 38}
# Intervals that a bass repeats over one root, in semitones.
_BASS_FIGURES = ((0,), (0,), (0, 0), (0, 0, 0, 0), (0, 12), (0, 7), (0, 0, 7, 0), (0, 12, 0, 7), (0, 0, 12))


@dataclass(frozen=True)
class Library:
    """All that songs are drawn from."""

    styles: tuple[Style, ...]
    performances: tuple[Path, ...]
    pop_songs: tuple[Path, ...]
    fonts: tuple[SoundFont, ...]


@dataclass(frozen=True)
class Voice:
    """One part of a stem with its sound: place from 0, left, to 127, level in dB beside the stem's others."""

    stem: str
    part: Part
    font: SoundFont
    bank: int
    pan: int
    level_db: float
    room: Room


def find_library(midi: Path) -> Library:
    """What is installed, and what lies below the folder `midi`: performances of Groove MIDI and songs of POP909.

    Raises OptionError naming what is missing: both collections, mma and a SoundFont are needed.
    """
    paths = sorted(midi.rglob("*.mid"))
    performances = tuple(p for p in paths if _PERFORMANCE.search(p.name))
    pop_songs = tuple(p for p in paths if p.stem.isdigit() and p.stem == p.parent.name)
    for found, what in ((performances, "Groove MIDI (STYLE_BPM_beat_4-4.mid)"), (pop_songs, "POP909 (001/001.mid)")):
        if not found:
            raise OptionError(f"no files of {what} below {midi}: unpack that collection there")
    return Library(tuple(find_styles()), performances, pop_songs, tuple(find_soundfonts()))


def arrange(library: Library, seconds: float, rng: np.random.Generator) -> tuple[str, list[Voice]]:
    """A song of `seconds`: what it is, in words, and its voices."""
    performance = library.performances[int(rng.integers(len(library.performances)))]
    tempo = _beats_a_minute(performance) * rng.uniform(1 - _TEMPO_CHANGE, 1 + _TEMPO_CHANGE)
    drums = _drums(performance, tempo, seconds)
    if rng.random() < _BAND_CHANCE:
        name, own, basses, others = _band(library.styles, tempo, seconds, rng)
        words = f"{name} at {tempo:.0f} a minute, {performance.stem}"
        drums = merged(own) if _is_kit(own) and rng.random() < _OWN_DRUMS_CHANCE else drums
    else:
        path = library.pop_songs[int(rng.integers(len(library.pop_songs)))]
        basses, others = _pop_song(path, seconds, rng)
        words = f"POP909 {path.stem}, {performance.stem} at {tempo:.0f} a minute"
    others = [others[i] for i in sorted(rng.permutation(len(others))[:_MOST_VOICES])]
    rooms = [_room(rng), _room(rng)]
    players = [("drums", drums), ("bass", merged(basses)), *(("other", part) for part in others)]
    heard = [(stem, window(part, 0, seconds)) for stem, part in players]
    return words, [_voice(stem, part, library.fonts, rooms, rng) for stem, part in heard if part.notes]


def _beats_a_minute(performance: Path) -> float:
    match = _PERFORMANCE.search(performance.name)
    assert match is not None  # the library holds no others
    return float(match.group(1))


def _drums(performance: Path, tempo: float, seconds: float) -> Part:
    """A drummer's performance at `tempo`, from its beginning again after its last whole bar."""
    match = _PERFORMANCE.search(performance.name)
    assert match is not None
    beat = 60 / float(match.group(1))
    bar = beat * 4 * int(match.group(2)) / int(match.group(3))
    part = merged(read_parts(performance))
    notes = tuple(replace(n, pitch=_DRUM_KEYS.get(n.pitch, n.pitch)) for n in part.notes)
    bars = max(int(notes[-1].start / bar), 1)
    factor = 60 / tempo / beat
    return stretched(looped(replace(part, is_drums=True, notes=notes), bars * bar, seconds / factor), factor)


def _band(
    styles: Sequence[Style], tempo: float, seconds: float, rng: np.random.Generator
) -> tuple[str, list[Part], list[Part], list[Part]]:
    """The style of a band that has a bass and more, and its drums, basses and other parts."""
    for i in rng.permutation(len(styles)):
        parts = band_parts(chart(styles[i], tempo, int(seconds * tempo / 60 / 2) + 1, rng))
        drums = [p for p in parts if p.is_drums]
        basses = [p for p in parts if not p.is_drums and _is_bass(p)]
        others = [p for p in parts if not p.is_drums and p not in basses]
        if basses and others:
            return styles[i].name, drums, basses, others
    raise OptionError("none of mma's styles has a bass and chords: install mma with its library, as Debian's mma")


def _is_kit(parts: Sequence[Part]) -> bool:
    """Whether there is a bass drum and a snare: some bands have a hi-hat or shakers alone."""
    pitches = {note.pitch for part in parts for note in part.notes}
    return bool(pitches & {35, 36}) and bool(pitches & {37, 38, 39, 40})


def _is_bass(part: Part) -> bool:
    """Whether a band's part is named as a bass and is as low: some grooves let a trumpet double it."""
    return part.name.lower().startswith(("bass", "walk")) and float(np.median([n.pitch for n in part.notes])) < 52


def _pop_song(path: Path, seconds: float, rng: np.random.Generator) -> tuple[list[Part], list[Part]]:
    """A bass and other parts from a pop song's melody, bridge and piano, from a random place, key and tempo."""
    parts = {p.name: p for p in read_parts(path)}
    if "PIANO" not in parts:
        raise OptionError(f"{path} has no track PIANO, songs of POP909 have one: take the file out of the folder")
    factor = rng.uniform(1 - _TEMPO_CHANGE, 1 + _TEMPO_CHANGE)
    shift = int(rng.integers(-5, 7))
    start = rng.uniform(0, max(parts["PIANO"].notes[-1].start * factor - seconds, 0))
    moved = {
        name: replace(p, notes=tuple(replace(n, pitch=min(n.pitch + shift, 127)) for n in p.notes))
        for name, p in ((k, window(stretched(v, factor), start, seconds)) for k, v in parts.items())
    }
    names = ["PIANO", "BRIDGE"] + (["MELODY"] if rng.random() < _TUNE_CHANCE else [])
    return [bass_line(moved["PIANO"], rng)], [moved[name] for name in names if name in moved]


def bass_line(piano: Part, rng: np.random.Generator) -> Part:
    """A bass under a piano: the left hand's lowest notes, brought down, in one figure that repeats."""
    figure = _BASS_FIGURES[int(rng.integers(len(_BASS_FIGURES)))]
    gate = rng.uniform(0.6, 1.0)
    lowest = int(rng.integers(28, 36))  # E of a bass guitar's lowest string, and up
    roots: list[Note] = []
    for note in piano.notes:
        if roots and note.start - roots[-1].start < 0.05:
            if note.pitch < roots[-1].pitch:
                roots[-1] = replace(note, start=roots[-1].start)
        elif note.pitch < 57 and (not roots or note.start - roots[-1].start > 0.2):
            roots.append(note)
    notes = []
    for root, following in pairwise(roots):
        length = min(following.start - root.start, 4.0)
        steps = figure if length / len(figure) > 0.11 else (0,)
        for i, interval in enumerate(steps):
            start = root.start + length * i / len(steps)
            pitch = lowest + (root.pitch - lowest) % 12 + interval
            velocity = int(np.clip(rng.normal(92, 10), 30, 127))
            notes.append(Note(start, start + gate * length / len(steps), pitch, velocity))
    return Part("Bass", 33, False, tuple(notes))


def _room(rng: np.random.Generator) -> Room:
    """Anything from a dry close microphone to a hall."""
    return Room(rng.uniform(0.1, 0.9), rng.uniform(0, 0.8), rng.uniform(0, 100), rng.choice([0, 0.15, 0.4, 0.8]))


def _voice(stem: str, part: Part, fonts: Sequence[SoundFont], rooms: Sequence[Room], rng: np.random.Generator) -> Voice:
    """The part with a SoundFont's preset, dynamics, place and room drawn for it."""
    room = rooms[int(rng.integers(len(rooms)))]
    level = rng.normal(0, 3)
    if part.is_drums:
        font, bank, program = _kit(fonts, rng)
        pan = 64
    else:
        program = _program(stem, part, rng)
        font, bank = _instrument(fonts, program, rng)
        pan = int(np.clip(rng.normal(64, 6 if stem == "bass" else 30), 0, 127))
    if stem == "bass":
        room = replace(room, level=room.level * 0.25)
    part = played(replace(part, program=program), rng.uniform(0.5, 1.8), 0.08, rng)
    return Voice(stem, part, font, bank, pan, level, room)


def _program(stem: str, part: Part, rng: np.random.Generator) -> int:
    """A General MIDI program for the part: a bass; for a tune a soloist; else another of its family, or any."""
    if stem == "bass":
        return int(rng.choice(_BASSES))
    if part.name == "MELODY" or part.name.lower().startswith(("solo", "melody")):
        return int(rng.choice(_SOLOISTS))
    if part.program not in _NO_OTHER and part.name not in ("PIANO", "BRIDGE") and rng.random() < 0.5:
        return part.program
    return int(rng.choice(_FAMILIES[int(rng.integers(len(_FAMILIES)))]))


def _kit(fonts: Sequence[SoundFont], rng: np.random.Generator) -> tuple[SoundFont, int, int]:
    """A drum kit of any SoundFont but the orchestra's and the sound effects."""
    kits = [(font, [(b, p) for b, p in font.kits() if p < 48]) for font in fonts]
    kits = [(font, own) for font, own in kits if own]
    font, own = kits[int(rng.integers(len(kits)))]
    bank, program = own[int(rng.integers(len(own)))]
    return font, bank, program


def _instrument(fonts: Sequence[SoundFont], program: int, rng: np.random.Generator) -> tuple[SoundFont, int]:
    able = [font for font in fonts if font.variants(program)]
    font = able[int(rng.integers(len(able)))]
    return font, int(rng.choice(font.variants(program)))
