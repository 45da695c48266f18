"""`rtsep data render`: MIDI collections in, folders of songs with stem files out."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rtsep.errors import OptionError, OutputError
from rtsep.training.arrange import find_library
from rtsep.training.render import render_songs


def render(midi: Path, out: Path, songs: int, seconds: float, seed: int, processes: int | None) -> int:
    """Render songs until there are `songs` of them below `out`; those that are there stay. Raises RtsepError."""
    if not midi.is_dir():
        raise OptionError(f"MIDI folder {midi} is not there: give the one that holds Groove MIDI and POP909")
    if songs < 1 or not 1 <= seconds <= 3600 or seed < 0:
        raise OptionError(f"--songs {songs} --seconds {seconds:g} --seed {seed}: 1 or more, 1 to 3600, 0 or more")
    library = find_library(midi)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}): choose another folder with --out") from error
    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task("songs", total=songs)
        render_songs(
            library,
            out,
            songs,
            seconds,
            seed,
            processes or os.cpu_count() or 1,
            lambda n: bars.update(task, completed=n),
        )
    print(f"{out}: {songs} songs of {seconds:g} s")
    return 0
