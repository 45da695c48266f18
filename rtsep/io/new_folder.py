"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtsep.errors import OutputError


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` to write into; it becomes `path` where the block ends well, and else goes.

    Raises OutputError where it cannot be made, or something is in `path` already: at once, before any work is done.
    """
    work = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.is_dir() and any(path.iterdir()):
            raise OutputError(f"folder {path}: there is something in it already; choose another, or empty it")
        work.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"folder {path}: cannot be made ({error.strerror}); choose another") from error
    try:
        yield work
        try:
            work.rename(path)
        except OSError as error:
            raise OutputError(f"folder {path}: cannot be made ({error.strerror}); choose another") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
