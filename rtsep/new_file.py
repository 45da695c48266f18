"""A file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtsep.errors import OutputError


def check_new_file(path: Path, what: str = "report") -> None:
    """Before any work: raise OutputError unless `what` can be written to `path`."""
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"{what} {path}: is a folder; give a file name")
    if not folder.is_dir():
        raise OutputError(f"{what} {path}: its folder is not there; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{what} {path}: its folder cannot be written to; choose another")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write; it takes the place of `path` where the block ends well, and else goes.

    Raises OutputError for every OSError in the block.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield scratch
        scratch.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: cannot be written ({reason}); make room, or choose another place") from error
    finally:  # also after an interruption
        with suppress(OSError):
            scratch.unlink()
