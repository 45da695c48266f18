"""`rtsep data notes`: a SoundFont in, single notes out; `rtsep data quartet`: single notes in, chorales out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rtsep.engine.process import own_cores
from rtsep.errors import OptionError, OutputError
from rtsep.io.new_folder import new_folder
from rtsep.progress import show_progress
from rtsep.quartet.songs import INSTRUMENTS, render_split, split_all
from rtsep.rendering.single_notes import PRESETS, write_notes
from rtsep.rendering.soundfonts import BankAndProgram, read_soundfont


def single_notes(soundfont: Path, presets: Sequence[str], out: Path) -> int:
    """Make the folder `out` with the notes of the four instruments, as a SoundFont has them.

    `presets`, as saxophone=0:65, say where an instrument is if not at its place in General MIDI. Raises RtsepError.
    """
    font, others = read_soundfont(soundfont), dict(map(_preset, presets))
    with new_folder(out) as folder, show_progress(quiet=False, doing="notes") as progress:
        write_notes(font, others, folder, progress)
    print(f"{out}: {len(list(out.glob('*/*.flac')))} notes")
    return 0


def _preset(text: str) -> tuple[str, BankAndProgram]:
    names = "|".join(PRESETS)
    if not (found := re.fullmatch(rf"({names})=(\d{{1,5}}):(\d{{1,3}})", text)):
        raise OptionError(f"--preset {text}: it must be INSTRUMENT=BANK:PROGRAM, one of {names}; as saxophone=0:65")
    return found[1], (int(found[2]), int(found[3]))


def quartet(collections: Sequence[Path], out: Path, chorales: int, seed: int, processes: int | None) -> int:
    """Render `chorales` to learn from, and an eighth as many held-out ones, below `out`. Raises RtsepError."""
    for folder in [notes / instrument.name for notes in collections for instrument in INSTRUMENTS]:
        if not folder.is_dir():
            words = f"folder {folder} is not there: it holds the {folder.name}'s notes"
            raise OptionError(f"{words}; give with --notes the one that is above it")
    cores = len(own_cores()) if processes is None else processes
    limits = (("chorales", chorales, 1, 1000), ("seed", seed, 0, 2**32), ("processes", cores, 1, 256))
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise OptionError(f"--{name} {value} must lie between {least} and {most}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}): choose another folder with --out") from error
    for split, count in zip(split_all(collections, seed), (chorales, -(-chorales // 8)), strict=True):
        with show_progress(quiet=False, doing=split.folder) as progress:
            render_split(split, out, count, seed, cores, progress)
        print(f"{out / split.folder}: {len(list((out / split.folder).glob('bwv*')))} chorales")
    return 0
