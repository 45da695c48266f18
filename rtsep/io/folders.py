"""What lies in a folder and below it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """The files in `folder` and in those below it, sorted, but for hidden ones. Links are followed.

    No folder counts twice: one that lies below `folder` itself is found there, and not by a link to it. What cannot be
    opened is passed over.
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
    return sorted(found)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
