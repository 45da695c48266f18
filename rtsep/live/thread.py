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
# Who holds the interpreter keeps the callback waiting, and must not wait itself for a processor that others have: all
# threads of a session are above what is not real-time.
_WATCHING, _COMPUTING, CALLBACK = 1, 2, 5


def start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread of this name, which also the system's tools show where Linux lets them (15 letters at most)."""

    def named() -> None:
        with suppress(OSError):
            Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
        ask_for_real_time(_WATCHING)
        run()

    thread = threading.Thread(target=named, name=name, daemon=True)
    thread.start()
    return thread


def ask_for_real_time(priority: int = _COMPUTING) -> str:
    """Ask for real-time priority for the calling thread, unless it has as much: '' if granted, else why not."""
    if not hasattr(os, "sched_setscheduler"):
        return "not to be had on this system"
    try:
        if os.sched_getparam(0).sched_priority < priority:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"refused ({error.strerror}); allow it by rtprio in /etc/security/limits.conf"
    return ""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the interpreter from pausing the audio callback: no search for garbage in what is there, quick switches.

    This thread has real-time priority as long, where that is granted. Collecting is off; whoever makes garbage that
    refers to itself calls `collect_young` now and then.
    """
    interval = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(_SWITCH_SECONDS)
    refused = ask_for_real_time(_WATCHING)
    try:
        yield
    finally:
        if not refused:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        sys.setswitchinterval(interval)
        gc.enable()
        gc.unfreeze()


def collect_young() -> None:
    """Free what came to be since the last call; all that was there before the sound began is not looked at."""
    gc.collect(0)
