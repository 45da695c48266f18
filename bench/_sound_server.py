"""Sound hardware for the benches of live sound: the tests' JACK server, under PortAudio, and what plays into it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import soundfile

ROOT = Path(__file__).resolve().parents[1]
SONG = ROOT / "demo" / "song.flac"
PORTAUDIO = "PortAudio"


def can_serve() -> bool:
    """Whether a server can be started: Debian's jackd2, and the package JACK-Client."""
    return shutil.which("jackd") is not None and importlib.util.find_spec("jack") is not None


@contextmanager
def server(period: int) -> Iterator[None]:
    """A server of 44.1 kHz in periods of so many samples, whose device is a clock that hears silence."""
    sys.path.append(str(ROOT / "tests"))
    from jack_server import jack_server

    with jack_server(period):
        yield


def wait_for_portaudio(seconds: float = 60) -> None:
    """Return as soon as a stream has its ports. Raises TimeoutError."""
    from jack import JackOpenError
    from jack_server import clients

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(JackOpenError):  # a server that is busy lets nobody in
            if PORTAUDIO in clients():
                return
        time.sleep(0.05)
    raise TimeoutError("no stream has begun")


@contextmanager
def wire() -> Iterator[None]:
    """A cable from the stream's first output to its first input."""
    import jack

    client = jack.Client("wire", no_start_server=True)
    with client:
        client.connect(f"{PORTAUDIO}:out_0", f"{PORTAUDIO}:in_0")
        yield


@contextmanager
def music() -> Iterator[None]:
    """The demo song, over and over, into both inputs of the stream."""
    import jack

    song, _ = soundfile.read(SONG, dtype="float32", always_2d=True)
    client = jack.Client("player", no_start_server=True)
    outputs = [client.outports.register(f"out_{channel}") for channel in range(2)]
    at = 0

    def process(n: int) -> None:
        nonlocal at
        at = at if at + n <= len(song) else 0
        for channel, output in enumerate(outputs):
            output.get_array()[:] = song[at : at + n, channel]
        at += n

    client.set_process_callback(process)
    with client:
        for channel in range(2):
            client.connect(f"player:out_{channel}", f"{PORTAUDIO}:in_{channel}")
        yield
