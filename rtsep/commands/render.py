"""`rtsep data render`: MIDI collections and recorded voices in, folders of songs with stem files out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtsep.engine.process import own_cores
from rtsep.errors import OptionError, OutputError
from rtsep.progress import show_progress
from rtsep.rendering.arrange import find_library
from rtsep.rendering.songs import render_songs


def render(
    midi: Path,
    voices: Sequence[Path],
    soundfonts: Sequence[Path],
    out: Path,
    songs: int,
    seconds: float,
    seed: int,
    processes: int | None,
) -> int:
    """Render songs until there are `songs` of them below `out`; those that are there stay. Raises RtsepError."""
    if not midi.is_dir():
        raise OptionError(f"MIDI folder {midi} is not there: give the one that holds Groove MIDI and POP909")
    if missing := [folder for folder in voices if not folder.is_dir()]:
        raise OptionError(f"voices folder {missing[0]} is not there: give folders with recordings of singers")
    cores = len(own_cores()) if processes is None else processes
    limits = (("songs", songs, 1, 10000), ("seconds", seconds, 1, 3600), ("seed", seed, 0, 2**32))
    for name, value, least, most in (*limits, ("processes", cores, 1, 256)):
        if not least <= value <= most:
            raise OptionError(f"--{name} {value:g} must lie between {least} and {most}")
    library = find_library(midi, voices, soundfonts)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}): choose another folder with --out") from error
    with show_progress(quiet=False, doing="rendering") as progress:
        render_songs(library, out, songs, seconds, seed, cores, lambda done: progress(done, songs))
    print(f"{out}: {songs} songs of {seconds:g} s")
    return 0
