"""Who plays a part, and on what: a SoundFont's instrument, a synthesizer or a drum machine, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtsep.rendering.form import arpeggio, power_chords
from rtsep.rendering.midi import Part, played
from rtsep.rendering.soundfonts import Room, SoundFont
from rtsep.rendering.synthesizer import Role, draw_patch
from rtsep.rendering.synthesizer_kernels import Patch

_BASSES = (32, 33, 33, 33, 34, 34, 35, 36, 37, 38, 38, 39, 39)
_FAMILIES = (  # of General MIDI: pianos, organs, guitars, strings, brass, leads, pads
    (0, 1, 2, 3), (4, 5, 6, 7), (11, 12), (16, 17, 18, 19), (24, 25, 26), (27, 28), (29, 30), (29, 30), (44, 48, 49),
    (50, 51), (61, 62, 63), (80, 81, 82), (84, 86, 87), (88, 89, 90), (92, 93, 94, 95),
)  # fmt: skip
_SOLOISTS = (0, 4, 11, 25, 27, 29, 30, 40, 41, 42, 56, 57, 60, 64, 65, 66, 71, 73, 75, 80, 81, 84)
_NO_OTHER = {47, 52, 53, 54, 85, 91, *range(112, 128)}  # timpani, choirs, voices, drums and noises
_ELECTRIC = range(26, 32)  # electric guitars, jazz to harmonics
_DRIVEN = (29, 30)  # and those that rock is played on
_SYNTHESIZED = {  # the chance of a synthesizer or drum machine in electronic songs, and in others
    "bass": (0.8, 0.05),
    "drums": (0.5, 0.03),
    "other": (0.65, 0.08),
}


@dataclass(frozen=True)
class Preset:
    """A SoundFont's instrument: place from 0, left, to 127, right."""

    font: SoundFont
    bank: int
    pan: int
    room: Room


@dataclass(frozen=True)
class DrumMachine:
    """A drum machine: another one for each seed."""

    seed: int


@dataclass(frozen=True)
class Voice:
    """One part of a stem and what it is played on, at a level in dB beside the stem's others.

    An `electric` guitar goes through an amplifier.
    """

    stem: str
    part: Part
    instrument: Preset | Patch | DrumMachine
    level_db: float
    electric: bool = False


def draw_voices(
    stem: str,
    part: Part,
    fonts: Sequence[SoundFont],
    rooms: Sequence[Room],
    electronic: bool,
    beat: float,
    rng: np.random.Generator,
) -> list[Voice]:
    """The part with an instrument, dynamics, place and room drawn for it; two voices where a guitar is doubled.

    Driven guitars often play power chords, and synthesizers arpeggios, in eighths or sixteenths of the `beat`.
    """
    level = rng.normal(0, 3)
    part = played(part, rng.uniform(0.5, 1.8), 0.08, rng)
    if rng.random() < _SYNTHESIZED[stem][0 if electronic else 1]:
        if part.is_drums:
            return [Voice(stem, part, DrumMachine(int(rng.integers(1 << 32))), level)]
        role = _role(stem, part, rng)
        if role == "pluck" and rng.random() < 0.6:
            part = arpeggio(part, beat * float(rng.choice([0.25, 0.25, 0.5])), rng)
        return [Voice(stem, part, draw_patch(role, rng), level)]
    room = rooms[int(rng.integers(len(rooms)))]
    if part.is_drums:
        font, bank, program = _kit(fonts, rng)
        return [Voice(stem, replace(part, program=program), Preset(font, bank, 64, room), level)]
    program = _program(stem, part, rng)
    font, bank = _instrument(fonts, program, rng)
    pan = int(np.clip(rng.normal(64, 6 if stem == "bass" else 30), 0, 127))
    if stem == "bass":
        room = replace(room, level=room.level * 0.25)
    part = replace(part, program=program)
    electric = stem == "other" and program in _ELECTRIC
    if electric and program in _DRIVEN and rng.random() < 0.6:
        part = power_chords(part, beat * float(rng.choice([0.25, 0.5, 0.5])), rng)
        if rng.random() < 0.5:
            places = ((part, 10), (loosely(part, rng), 117))
            return [Voice(stem, p, Preset(font, bank, side, room), level, electric) for p, side in places]
    return [Voice(stem, part, Preset(font, bank, pan, room), level, electric)]


def loosely(part: Part, rng: np.random.Generator) -> Part:
    """The part as a second take of it would be: each note some 8 ms early or late."""
    late = 0.008 * rng.standard_normal(len(part.notes))
    moved = (
        replace(n, start=max(n.start + d, 0.0), end=max(n.end + d, n.start + d, 0.0) + 0.01)
        for n, d in zip(part.notes, late, strict=True)
    )
    return replace(part, notes=tuple(sorted(moved, key=lambda n: (n.start, n.pitch))))


def draw_room(rng: np.random.Generator) -> Room:
    """Anything from a dry close microphone to a hall."""
    return Room(rng.uniform(0.1, 0.9), rng.uniform(0, 0.8), rng.uniform(0, 100), rng.choice([0, 0.15, 0.4, 0.8]))


def _role(stem: str, part: Part, rng: np.random.Generator) -> Role:
    if stem == "bass":
        return "bass"
    if _is_tune(part):
        return "lead"
    return rng.choice(["lead", "pad", "pluck", "pluck"])  # type: ignore[no-any-return]


def _is_tune(part: Part) -> bool:
    return part.name == "MELODY" or part.name.lower().startswith(("solo", "melody"))


def _program(stem: str, part: Part, rng: np.random.Generator) -> int:
    """A General MIDI program for the part: a bass; for a tune a soloist; else another of its family, or any."""
    if stem == "bass":
        return int(rng.choice(_BASSES))
    if _is_tune(part):
        return int(rng.choice(_SOLOISTS))
    if part.program not in _NO_OTHER and part.name not in ("PIANO", "BRIDGE") and rng.random() < 0.4:
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
