"""The form of a song and figures in it: sections in which some rest, riffs, arpeggios, basses that follow the drums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from rtsep.rendering.midi import Note, Part

Spans = tuple[tuple[float, float], ...]
"""Stretches of time in seconds, one after the other."""

_WHOLE_CHANCE = 0.25
_TOGETHER = 0.05  # seconds between notes that are one chord
KICKS = {35, 36}  # General MIDI's bass drums


def draw_spans(chances: Sequence[float], seconds: float, bar: float, rng: np.random.Generator) -> list[Spans]:
    """When each player plays, in sections of four or eight bars: in each with its chance; some play in every section.

    One song in four has no rests at all.
    """
    if rng.random() < _WHOLE_CHANCE:
        return [((0.0, seconds),)] * len(chances)
    bounds = [0.0]
    while bounds[-1] < seconds:
        bounds.append(bounds[-1] + bar * float(rng.choice([4, 4, 8])))
    spans: list[list[tuple[float, float]]] = [[] for _ in chances]
    for start, end in pairwise(bounds):
        playing = rng.random(len(chances)) < chances
        playing[int(rng.integers(len(chances)))] = True
        for own in (spans[i] for i in np.flatnonzero(playing)):
            own.append((start, min(end, seconds)))
    return [tuple(own) for own in spans]


def within(part: Part, spans: Spans) -> Part:
    """The notes that begin in the spans, cut at their ends."""
    notes = (replace(n, end=min(n.end, end)) for start, end in spans for n in part.notes if start <= n.start < end)
    return replace(part, notes=tuple(notes))


def chords(part: Part) -> list[tuple[Note, ...]]:
    """Notes that begin together, in order."""
    found: list[list[Note]] = []
    for note in part.notes:
        if found and note.start - found[-1][0].start < _TOGETHER:
            found[-1].append(note)
        else:
            found.append([note])
    return [tuple(chord) for chord in found]


def on_the_kick(bass: Part, drums: Part, gate: float) -> Part:
    """The bass with its pitches at the bass drum's times, for `gate` of the time between them."""
    times = sorted({note.start for note in drums.notes if note.pitch in KICKS})
    if len(times) < 2 or not bass.notes:
        return bass
    starts = np.array([note.start for note in bass.notes])
    notes = []
    for time, following in zip(times, [*times[1:], times[-1] + 0.5], strict=True):
        at = int(np.searchsorted(starts, time + _TOGETHER)) - 1
        if at >= 0:
            end = time + gate * min(following - time, 2.0)
            notes.append(replace(bass.notes[at], start=time, end=end))
    return replace(bass, notes=tuple(notes))


def power_chords(part: Part, step: float, rng: np.random.Generator) -> Part:
    """A guitar's fifths on the chords' lowest notes: held, or struck every `step` seconds and damped by the hand."""
    struck = rng.random() < 0.6
    gate, accent = rng.uniform(0.3, 0.95), int(rng.choice([2, 3, 4, 8]))
    notes = []
    found = chords(part)
    for chord, following in zip(found, [*(c[0].start for c in found[1:]), np.inf], strict=True):
        start, end = chord[0].start, min(following, max(n.end for n in chord))
        root = 40 + (min(n.pitch for n in chord) - 40) % 12
        strokes = np.arange(start, max(end, start + 0.01), step) if struck else [start]
        for i, at in enumerate(strokes):
            until = at + gate * step if struck and i % accent else min(at + (step if struck else np.inf), end)
            pitches = (root,) if struck and i % accent else (root, root + 7, root + 12)
            notes += [Note(float(at), float(max(until, at + 0.03)), p, 115 if i % accent == 0 else 90) for p in pitches]
    return replace(part, notes=tuple(notes))


def arpeggio(part: Part, step: float, rng: np.random.Generator) -> Part:
    """The chords' notes one after the other, every `step` seconds, in one or two octaves, while each lasts."""
    order, octaves, gate = int(rng.integers(3)), int(rng.integers(1, 3)), rng.uniform(0.4, 1.2)
    notes = []
    found = chords(part)
    for chord, following in zip(found, [*(c[0].start for c in found[1:]), np.inf], strict=True):
        start, end = chord[0].start, min(following, max(n.end for n in chord), chord[0].start + 4)
        pitches = sorted({n.pitch + 12 * o for n in chord for o in range(octaves)})
        pitches = (pitches, pitches[::-1], pitches + pitches[-2:0:-1])[order]
        for i, at in enumerate(np.arange(start, max(end, start + 0.01), step)):
            pitch = min(pitches[i % len(pitches)], 120)
            notes.append(Note(float(at), float(at + gate * step), pitch, chord[0].velocity))
    return replace(part, notes=tuple(notes))
