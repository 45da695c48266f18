"""Keeps what C libraries print on stderr, past Python, to themselves."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.Lock()
_STDERR = 2


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Lead the process's stderr nowhere: mpg123, ALSA and JACK print notes there that nothing else turns off."""
    with _lock:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is no stderr
            yield
            return
        _lead(os.open(os.devnull, os.O_WRONLY))
        try:
            yield
        finally:
            _lead(kept)


def leave_stderr_to_python() -> None:
    """From now on what Python prints on `sys.stderr` is all that is read of it: for as long as there is sound.

    There is no way back: a device that was lost may make ALSA and PortAudio speak until the process ends.
    """
    with suppress(OSError), _lock:
        kept = os.dup(_STDERR)
        sys.stderr = open(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")  # noqa: SIM115
        _lead(os.open(os.devnull, os.O_WRONLY))


def _lead(file: int) -> None:
    """Lead the process's stderr to `file`, which is closed."""
    os.dup2(file, _STDERR)
    os.close(file)
