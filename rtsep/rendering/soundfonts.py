"""SoundFonts: which presets a file has, and FluidSynth, which makes them sound."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from rtsep.errors import OptionError
from rtsep.rendering.midi import DRUM_CHANNEL, Part, write_part
from rtsep.types import Audio

SAMPLE_RATE = 44100
_DRUM_BANK = 128
_DEBIANS = Path("/usr/share/sounds/sf2")
_PRESET = struct.Struct("<20sHHHIII")  # name, preset, bank, and what is not needed here: SoundFont 2.04, section 7.2


BankAndProgram = tuple[int, int]
"""Where a SoundFont has an instrument, both from 0."""


@dataclass(frozen=True)
class SoundFont:
    """A SoundFont file and its presets."""

    path: Path
    presets: frozenset[BankAndProgram]

    @property
    def is_general(self) -> bool:
        """Whether it has instruments, not drum kits alone."""
        return len({program for bank, program in self.presets if bank < _DRUM_BANK}) >= 64

    def kits(self) -> list[BankAndProgram]:
        """The drum kits: bank 128 of a General MIDI set, all presets of a file that has a few."""
        return sorted(p for p in self.presets if not self.is_general or p[0] == _DRUM_BANK)

    def variants(self, program: int) -> list[int]:
        """The banks that have an instrument at `program`."""
        return sorted(bank for bank, p in self.presets if p == program and bank < _DRUM_BANK) if self.is_general else []


@dataclass(frozen=True)
class Room:
    """FluidSynth's reverb: size and damping from 0 to 1, width from 0 to 100, level from 0 to 1."""

    size: float
    damping: float
    width: float
    level: float


def find_soundfonts(folder: Path = _DEBIANS) -> list[Path]:
    """The sf2 files in `folder`.

    sf3 files are left out: to unpack their Vorbis samples takes seconds, anew for each part of a song.
    """
    return [path for path in sorted(folder.glob("*.sf2")) if not path.is_symlink()]


def read_soundfonts(paths: Sequence[Path]) -> tuple[SoundFont, ...]:
    """All of these files. Raises OptionError if none has instruments."""
    fonts = tuple(map(read_soundfont, paths))
    if not any(font.is_general for font in fonts):
        found = ", ".join(map(str, paths)) or "none was found"
        raise OptionError(f"no SoundFont with instruments ({found}): install one, as Debian's fluid-soundfont-gm")
    return fonts


def read_soundfont(path: Path) -> SoundFont:
    """The presets of a SoundFont file, from its `phdr` chunk. Raises OptionError if it has none."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # Found by its name, not by the sizes of chunks before it: odd ones are padded in some files, in others not.
            start = data.rfind(b"pdtaphdr") + len(b"pdtaphdr")
            if start < 8:
                raise ValueError("no presets")
            (size,) = struct.unpack_from("<I", data, start)
            records = list(_PRESET.iter_unpack(data[start + 4 : start + 4 + size]))
    except (OSError, ValueError, struct.error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"{path} is no SoundFont ({reason}): give another, or take it out of its folder") from error
    return SoundFont(path, frozenset((bank, program) for _, program, bank, *_ in records[:-1]))


def render_part(part: Part, font: SoundFont, bank: int, pan: int, room: Room, seconds: float) -> Audio:
    """The sound `(n_samples, 2)` of one part, `seconds` long. Raises OptionError if FluidSynth cannot be run."""
    if shutil.which("fluidsynth") is None:
        raise OptionError("fluidsynth is not installed, rendering needs it: install it, as Debian's fluidsynth")
    drums = bank == _DRUM_BANK
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder) / "part.mid", Path(folder) / "part.wav"
        write_part(notes, part, 0 if drums else bank, DRUM_CHANNEL if drums else 0, pan, seconds)
        options = {
            "audio.file.type": "wav",
            "audio.file.format": "float",
            "synth.sample-rate": SAMPLE_RATE,
            "synth.dynamic-sample-loading": 1,
            "synth.chorus.active": 0,
            "synth.reverb.room-size": room.size,
            "synth.reverb.damp": room.damping,
            "synth.reverb.width": room.width,
            "synth.reverb.level": room.level,
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = ["fluidsynth", "-ni", "-q", "-g", "0.3", *settings, "-F", str(sound), str(font.path), str(notes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # With a SoundFont that it cannot load it writes silence and ends with 0.
        if done.returncode or "error:" in done.stderr or not sound.exists():
            raise OptionError(f"fluidsynth cannot play {font.path}: {' '.join(done.stderr.split())[:200]}")
        samples, _ = soundfile.read(sound, round(seconds * SAMPLE_RATE), dtype="float32", always_2d=True)
    out = np.zeros((round(seconds * SAMPLE_RATE), 2), np.float32)
    out[: len(samples)] = samples
    return out
