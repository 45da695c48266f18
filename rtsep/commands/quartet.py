"""`rtsep data quartet`: recordings of single notes in, chorales played by four instruments out."""

from __future__ import annotations

import os
from pathlib import Path

from rtsep.errors import OptionError, OutputError
from rtsep.progress import show_progress
from rtsep.quartet.songs import INSTRUMENTS, render_split, split_all


def quartet(notes: Path, out: Path, chorales: int, seed: int, processes: int | None) -> int:
    """Render `chorales` to learn from, and an eighth as many held-out ones, below `out`. Raises RtsepError."""
    for instrument in INSTRUMENTS:
        if not (notes / instrument.name).is_dir():
            raise OptionError(f"folder {notes / instrument.name} is not there: it holds the {instrument.name}'s notes")
    cores = (os.cpu_count() or 1) if processes is None else processes
    limits = (("chorales", chorales, 1, 1000), ("seed", seed, 0, 2**32), ("processes", cores, 1, 256))
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise OptionError(f"--{name} {value} must lie between {least} and {most}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}): choose another folder with --out") from error
    for split, count in zip(split_all(notes, seed), (chorales, -(-chorales // 8)), strict=True):
        with show_progress(quiet=False, doing=split.folder) as progress:
            render_split(split, out, count, seed, cores, progress)
        print(f"{out / split.folder}: {len(list((out / split.folder).glob('bwv*')))} chorales")
    return 0
