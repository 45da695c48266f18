"""File names as they may be shown."""

from __future__ import annotations

import os


def printable(path: str | os.PathLike[str]) -> str:
    """The path in one line of valid text: line breaks, bytes of unknown encoding and the like come out escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(path))
