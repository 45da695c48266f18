"""The files of some kind in a folder and below it: songs, stems, recordings."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})


def sounds_below(folder: Path) -> list[Path]:
    """The sound files among `files_below` a folder."""
    return files_below(folder, SUFFIXES)


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files whose names end so, in `folder` and those below it, sorted. Hidden ones are left out.

    Links to folders are followed, but no folder counts twice: one that lies below `folder` itself is found there. What
    cannot be opened is passed over.
    """
    found: list[Path] = []
    entered: set[str] = set()
    starts = deque([folder])
    while starts:
        for parent, folders, names in os.walk(starts.popleft()):  # which leaves links to folders alone
            place = os.path.realpath(parent)
            if place in entered:
                folders.clear()
                continue
            entered.add(place)
            folders[:] = sorted(name for name in folders if not _is_hidden(name))
            starts.extend(path for name in folders if (path := Path(parent, name)).is_symlink())
            found.extend(Path(parent, name) for name in names if not _is_hidden(name))
    return sorted(path for path in found if path.suffix.lower() in suffixes)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
