"""What the machine itself does to live sound: a stream whose callback does nothing, on a JACK server of its own.

python bench/_bare_stream.py BLOCK SECONDS

prints a row of JSON. `underruns` are the xruns of that stream, which gets the same music. `latest_wake_ms` is how late
a thread of the highest priority on the machine, which only sleeps, was waked at the worst, and `late_wakes` how often
by more than half a block. `stolen_s` are seconds that the host of a virtual machine kept its processors for itself.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import _sound_server as sound_server

_NAP_SECONDS = 0.002
_PRIORITY = 60  # JACK has 10, its clients 5


def measure(block: int, seconds: float) -> dict[str, float]:
    """The row of a stream of so many seconds."""
    import sounddevice  # looks for servers when it is imported

    n_xruns = 0

    def call(heard: Any, played: Any, n: int, when: Any, status: Any) -> None:
        nonlocal n_xruns
        n_xruns += bool(status)
        played[:] = 0

    stream = sounddevice.Stream(
        samplerate=44100, blocksize=block, channels=2, dtype="float32", latency="low", callback=call
    )
    with stream, sound_server.music():
        gc.disable()
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
        stolen = stolen_seconds()
        lateness = lateness_of_naps(seconds)
        row = {
            "underruns": n_xruns,
            "latest_wake_ms": 1e3 * max(lateness),
            "late_wakes": sum(late > block / 44100 / 2 for late in lateness),
            "stolen_s": stolen_seconds() - stolen,
        }
    sounddevice._terminate()  # as long as there is a server to say goodbye to
    return row


def lateness_of_naps(seconds: float) -> list[float]:
    """By how many seconds each nap was too long."""
    found = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        time.sleep(_NAP_SECONDS)
        found.append(time.perf_counter() - began - _NAP_SECONDS)
    return found


def stolen_seconds() -> float:
    """Of all processors together, since the machine began: `steal` of Linux."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    with sound_server.server(int(sys.argv[1])):
        print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
