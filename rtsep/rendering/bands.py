"""Bands that accompany: chord charts drawn at random, in the grooves of MMA (Musical MIDI Accompaniment)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtsep.errors import OptionError
from rtsep.rendering.midi import Part, read_parts

# Where MMA looks for its own files.
_LIBRARIES = (Path("/usr/local/share/mma/lib"), Path("/usr/share/mma/lib"))
_DEFINITION = re.compile(r"^\s*DefGroove\s+(\S+)", re.IGNORECASE | re.MULTILINE)
_NO_VERSE = re.compile(r"intro|end(ing)?\d*$|metronome|silent|rit|clave", re.IGNORECASE)
_KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")

# Semitones above the key and the chord there, a bar each: the loops that pop, rock, blues, soul and jazz are made of.
_PROGRESSIONS = (
    "0 7 9m 5", "9m 5 0 7", "0 9m 5 7", "0 5 7 5", "0 5 0 7", "0m 8 3 10", "0m 10 8 7", "0m 5m 10 3", "0m 8 10 0m",
    "0 4m 5 7", "5 7 4m 9m", "2m 7 0 9m", "0 7 5 5", "0 10 5 0", "0m 3 10 5", "0 2m 4m 5", "0 0 5 5 7 5 0 7",
    "0 4m 9m 5 2m 7 0 7", "0m 0m 5m 5m 7 7 0m 0m", "0 11m 4 9m 2m 7 0 0", "0m 10 0m 10", "0 5 9m 7", "0m 5m 0m 7",
    "0 0 0 0 5 5 0 0 7 5 0 7", "0 8 10 0", "0 3 5 0", "0m 2dim 7 0m", "0 4 9m 2 5 7 0 7",
)  # fmt: skip
_COLOURS = {
    "": ("", "", "", "", "M7", "6", "sus4", "sus2", "add9", "5"),
    "m": ("m", "m", "m", "m7", "m7", "m9"),
    "dim": ("dim", "m7b5"),
    "7": ("", "7", "7", "9", "7sus4", "13"),
}


@dataclass(frozen=True)
class Style:
    """The grooves of one MMA file that go together: verses, and fills for every eighth bar."""

    name: str
    verses: tuple[str, ...]
    fills: tuple[str, ...]


def find_styles() -> list[Style]:
    """All styles of the MMA that is installed. Raises OptionError if it is not."""
    folder = next((f for f in _LIBRARIES if f.is_dir()), None)
    if folder is None or shutil.which("mma") is None:
        raise OptionError("mma is not installed, bands need it: install it, as Debian's mma")
    found: dict[str, Style] = {}
    for path in sorted(folder.rglob("*.mma")):
        names = [n for n in _DEFINITION.findall(path.read_text(errors="replace")) if not _NO_VERSE.search(n)]
        fills = tuple(n for n in names if "fill" in n.lower())
        verses = tuple(n for n in names if n not in fills)
        if verses:
            found.setdefault(path.stem.lower(), Style(path.stem, verses, fills))
    return [found[name] for name in sorted(found)]


def chart(style: Style, tempo: float, bars: int, rng: np.random.Generator) -> str:
    """An MMA chart: one or two progressions in a random key, sections of eight bars in grooves of one style."""
    key = int(rng.integers(12))
    sections = [str(rng.choice(_PROGRESSIONS)).split() for _ in range(1 + int(rng.random() < 0.6))]
    coloured = [[_chord(step, key, rng) for step in section] for section in sections]
    lines = [f"RndSeed {int(rng.integers(1 << 30))}", f"Tempo {tempo:.1f}"]
    for bar in range(bars):
        place = bar % 8
        if place == 0:
            lines.append(f"Groove {rng.choice(style.verses)}")
        if place == 7 and style.fills:
            lines.append(f"Groove {rng.choice(style.fills)}")
        section = coloured[bar // 8 % len(coloured)]
        lines.append(f"{bar + 1} {section[bar % len(section)]}")
    return "\n".join(lines) + "\n"


def _chord(step: str, key: int, rng: np.random.Generator) -> str:
    """A chord's name from a step of a progression, in one of the colours that pass for it."""
    interval, kind = re.fullmatch(r"(\d+)(.*)", step).groups()  # type: ignore[union-attr]
    if interval == "7" and not kind:
        kind = "7"
    return _KEYS[(key + int(interval)) % 12] + str(rng.choice(_COLOURS[kind]))


def band_parts(text: str) -> list[Part]:
    """The parts that MMA plays from a chart; none if it cannot: some of its grooves need what a chart does not give."""
    with tempfile.TemporaryDirectory() as folder:
        page, notes = Path(folder) / "chart.mma", Path(folder) / "chart.mid"
        page.write_text(text)
        done = subprocess.run(["mma", "-w", page, "-f", notes], capture_output=True, text=True, check=False, cwd=folder)
        return read_parts(notes) if done.returncode == 0 and notes.exists() else []
