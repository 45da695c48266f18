"""Songs drawn at random from bands, drummers' performances, pop songs' pianos, and singers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from rtsep.errors import OptionError
from rtsep.io.folders import files_below
from rtsep.rendering.bands import Style, band_parts, chart, find_styles
from rtsep.rendering.form import KICKS, Spans, draw_spans, on_the_kick, within
from rtsep.rendering.midi import Note, Part, looped, merged, read_parts, stretched, window
from rtsep.rendering.players import Voice, draw_room, draw_voices
from rtsep.rendering.singers import Singer, draw_singer, find_singers
from rtsep.rendering.soundfonts import SoundFont, find_soundfonts, read_soundfonts

_PERFORMANCE = re.compile(r"_(\d+)_beat_(\d+)-(\d+)\.mid$")  # Groove MIDI: style_BPM_beat_METRE.mid
_TEMPO_CHANGE = 0.15
_BAND_CHANCE, _OWN_DRUMS_CHANCE, _TUNE_CHANCE = 0.6, 0.5, 0.35
_MOST_VOICES = 4
_ELECTRONIC_CHANCE, _KICK_CHANCE, _SUNG_CHANCE = 0.4, 0.35, 0.85
# How likely a player plays in a section.
_PLAYING = {"drums": 0.9, "bass": 0.9, "vocals": 0.75, "other": 0.8}

# Roland's keys for the edges of cymbals and drums, and the nearest of General MIDI's.
_DRUM_KEYS = {22: 42, 26: 46, 58: 43, 40: 38}
# Intervals that a bass repeats over one root, in semitones.
_BASS_FIGURES = ((0,), (0,), (0, 0), (0, 0, 0, 0), (0, 12), (0, 7), (0, 0, 7, 0), (0, 12, 0, 7), (0, 0, 12))


@dataclass(frozen=True)
class Library:
    """All that songs are drawn from; without `singers` all of them are instrumental."""

    styles: tuple[Style, ...]
    performances: tuple[Path, ...]
    pop_songs: tuple[Path, ...]
    fonts: tuple[SoundFont, ...]
    singers: tuple[tuple[Singer, ...], ...] = ()


@dataclass(frozen=True)
class Song:
    """What a song is in words, the length of its beat and the times of its bass drum in seconds, and who plays it.

    `singer` sings in the spans `sung`; there is none in an instrumental.
    """

    words: str
    beat: float
    electronic: bool
    kicks: tuple[float, ...]
    voices: tuple[Voice, ...]
    singer: Singer | None
    sung: Spans


def find_library(midi: Path, voices: Sequence[Path] = (), soundfonts: Sequence[Path] = ()) -> Library:
    """What is installed, performances of Groove MIDI and songs of POP909 below the folder `midi`, singers in `voices`.

    The SoundFonts are all that Debian has installed, unless files are given. Raises OptionError naming what is missing:
    both collections, mma and a SoundFont are needed.
    """
    paths = files_below(midi, {".mid"})
    performances = tuple(p for p in paths if _PERFORMANCE.search(p.name))
    pop_songs = tuple(p for p in paths if p.stem.isdigit() and p.stem == p.parent.name)
    for found, what in ((performances, "Groove MIDI (STYLE_BPM_beat_4-4.mid)"), (pop_songs, "POP909 (001/001.mid)")):
        if not found:
            raise OptionError(f"no files of {what} below {midi}: unpack that collection there")
    fonts = read_soundfonts(soundfonts or find_soundfonts())
    singers = tuple(group for folder in voices for group in find_singers(folder))
    return Library(tuple(find_styles()), performances, pop_songs, fonts, singers)


def arrange(library: Library, seconds: float, rng: np.random.Generator) -> Song:
    """A song of `seconds`."""
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
    bass = merged(basses)
    if rng.random() < _KICK_CHANCE:
        bass = on_the_kick(bass, drums, rng.uniform(0.4, 1.0))
    others = [others[i] for i in sorted(rng.permutation(len(others))[:_MOST_VOICES])]
    heard = [(stem, window(part, 0, seconds)) for stem, part in (("drums", drums), ("bass", bass))]
    heard += [("other", window(part, 0, seconds)) for part in others]
    singer = draw_singer(library.singers, rng) if library.singers and rng.random() < _SUNG_CHANCE else None
    return _played(words, 60 / tempo, heard, singer, library.fonts, seconds, rng)


def _played(
    words: str,
    beat: float,
    heard: Sequence[tuple[str, Part]],
    singer: Singer | None,
    fonts: Sequence[SoundFont],
    seconds: float,
    rng: np.random.Generator,
) -> Song:
    """The song with players for its parts, each resting now and then."""
    electronic = bool(rng.random() < _ELECTRONIC_CHANCE)
    rooms = [draw_room(rng), draw_room(rng)]
    *spans, sung = draw_spans([_PLAYING[stem] for stem in (*(s for s, _ in heard), "vocals")], seconds, 4 * beat, rng)
    playing = [(stem, within(part, own)) for (stem, part), own in zip(heard, spans, strict=True)]
    return Song(
        words=words,
        beat=beat,
        electronic=electronic,
        kicks=tuple(n.start for n in playing[0][1].notes if n.pitch in KICKS),
        voices=tuple(
            voice
            for stem, part in playing
            if part.notes
            for voice in draw_voices(stem, part, fonts, rooms, electronic, beat, rng)
        ),
        singer=singer,
        sung=sung,
    )


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
