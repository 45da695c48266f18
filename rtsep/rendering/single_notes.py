"""Single notes of the quartet's instruments from a SoundFont: players that no collection of recordings has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import soundfile

from rtsep.errors import OptionError
from rtsep.quartet.single_notes import SAMPLE_RATE, note_name
from rtsep.quartet.songs import INSTRUMENTS
from rtsep.rendering.midi import Note, Part
from rtsep.rendering.soundfonts import BankAndProgram, Room, SoundFont, render_part
from rtsep.types import Audio

# General MIDI's, as (bank, program); the saxophone is a tenor.
PRESETS = {"violin": (0, 40), "clarinet": (0, 71), "saxophone": (0, 66), "bassoon": (0, 70)}
DYNAMICS = {"piano": 45, "mezzo-forte": 75, "fortissimo": 115}  # velocities
_SOUNDING, _APART = 2.5, 3.5  # seconds of a note, and from one to the next
_FROM = 0.1  # seconds into the file, at which the first note begins
_DRY = Room(0.0, 0.0, 0.0, 0.0)
_CENTRE = 64


def write_notes(
    font: SoundFont, others: Mapping[str, BankAndProgram], out: Path, progress: Callable[[int, int], None]
) -> None:
    """Every note in each instrument's compass, in three dynamics, as `out/violin/violin_As3_25_piano_NAME.flac`.

    `others` are presets in place of `PRESETS`. Mono, 44.1 kHz, as `rtsep.quartet.single_notes` reads them. Raises
    OptionError where the SoundFont lacks an instrument or FluidSynth cannot be run.
    """
    presets = {**PRESETS, **others}
    for name, (bank, program) in presets.items():
        if (bank, program) not in font.presets:
            raise OptionError(
                f"{font.path} has no {name} at {bank}:{program}: take a General MIDI SoundFont, as Debian's "
                "fluid-soundfont-gm, or say with --preset where it is"
            )
    series = [(instrument, dynamic) for instrument in INSTRUMENTS for dynamic in DYNAMICS]
    for done, (instrument, dynamic) in enumerate(series, start=1):
        folder = out / instrument.name
        folder.mkdir(parents=True, exist_ok=True)
        pitches = range(instrument.lowest, instrument.highest + 1)
        scale = _play_scale(font, presets[instrument.name], pitches, DYNAMICS[dynamic])
        for i, pitch in enumerate(pitches):
            first = round(i * _APART * SAMPLE_RATE)
            name = f"{instrument.name}_{note_name(pitch)}_25_{dynamic}_{font.path.stem.replace('_', '-')}.flac"
            note = scale[first : first + round(_APART * SAMPLE_RATE)].mean(axis=1)
            soundfile.write(folder / name, note, SAMPLE_RATE)
        progress(done, len(series))


def _play_scale(font: SoundFont, preset: BankAndProgram, pitches: range, velocity: int) -> Audio:
    """All of `pitches` one after the other, in one run of FluidSynth."""
    starts = [_FROM + i * _APART for i in range(len(pitches))]
    notes = tuple(Note(start, start + _SOUNDING, pitch, velocity) for start, pitch in zip(starts, pitches, strict=True))
    bank, program = preset
    part = Part("scale", program, is_drums=False, notes=notes)
    return render_part(part, font, bank, _CENTRE, _DRY, len(pitches) * _APART)
