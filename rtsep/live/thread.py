"""Threads and the interpreter while sound plays: names, priority, and no pause for garbage."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The longest that a thread which only computes in Python keeps the audio callback waiting; the default is 5 ms.
_SWITCH_SECONDS = 2e-4
COMPUTING = 1  # above all that is not real-time, below the audio callback
CALLBACK = 5  # as JACK's and PortAudio's, or below


def start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread of this name, which also the system's tools show where Linux lets them (15 letters at most)."""

    def named() -> None:
        with suppress(OSError):
            Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
        run()

    thread = threading.Thread(target=named, name=name, daemon=True)
    thread.start()
    return thread


def ask_for_real_time(priority: int = COMPUTING) -> str:
    """Ask for real-time priority for the calling thread: '' where it is granted, else the reason why not."""
    if not hasattr(os, "sched_setscheduler"):
        return "not to be had on this system"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"refused ({error.strerror}); allow it by rtprio in /etc/security/limits.conf"
    return ""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the interpreter from pausing the audio callback: no search for garbage in what is there, quick switches.

    Collecting is off; whoever makes garbage that refers to itself calls `collect_young` now and then.
    """
    interval = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.enable()
        gc.unfreeze()


def collect_young() -> None:
    """Free what came to be since the last call; all that was there before the sound began is not looked at."""
    gc.collect(0)
