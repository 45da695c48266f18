"""A JACK server with a dummy device, started and stopped by tests, and a probe that sends impulses through others."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import jack
import numpy as np

RATE = 44100
PERIOD = 256


@contextmanager
def jack_server(period: int = PERIOD) -> Iterator[subprocess.Popen[bytes]]:
    """A server of a name of its own, in JACK_DEFAULT_SERVER as long as it runs; its `system` device has 2 x 2 ports."""
    name = f"rtsep-{secrets.token_hex(4)}"
    settings = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    before = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    driver = ["-d", "dummy", "-r", str(RATE), "-p", str(period), "-C", "2", "-P", "2"]
    command = ["jackd", "-n", name, "--sync", "--silent", *driver]
    server = _start(command)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        if server.poll() is not None:
            # A killed server keeps one of the machine's eight places until one of its name ends in order.
            server = _start(command)
            _wait_until_ready(server)
        server.terminate()
        server.wait(10)
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_until_ready(server: subprocess.Popen[bytes], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(jack.JackOpenError):
            clients()
            return
        assert server.poll() is None, "jackd has ended"
        assert time.monotonic() < deadline, "jackd is not ready"
        time.sleep(0.1)


def clients() -> set[str]:
    """The names of all clients of the server that have ports, its device among them."""
    visitor = jack.Client("visitor", no_start_server=True)
    try:
        return {port.name.partition(":")[0] for port in visitor.get_ports()}
    finally:
        visitor.close()


@contextmanager
def loudspeaker(name: str) -> Iterator[None]:
    """A client that two channels can be played to: for PortAudio a device that has outputs alone."""
    client = jack.Client(name, no_start_server=True)
    for channel in range(2):
        client.inports.register(f"in_{channel}")
    with client:
        yield


@contextmanager
def cable(client: str) -> Iterator[None]:
    """From the first output of `client` to its first input."""
    visitor = jack.Client("cable", no_start_server=True)
    with visitor:
        visitor.connect(f"{client}:out_0", f"{client}:in_0")
        yield


class Probe:
    """Plays an impulse into another client's inputs every `spacing` samples, and notes when one comes back.

    `sent` and `came` are in samples of the server's clock.
    """

    def __init__(self, spacing: int) -> None:
        self.sent: list[int] = []
        self.came: list[int] = []
        self._spacing = spacing
        self._next: int | None = None
        self._source = jack.Client("probe-source", no_start_server=True)
        self._sink = jack.Client("probe-sink", no_start_server=True)
        self._out = self._source.outports.register("out")
        self._in = self._sink.inports.register("in")
        self._source.set_process_callback(self._send)
        self._sink.set_process_callback(self._receive)

    @contextmanager
    def through(self, client: str) -> Iterator[None]:
        """Connected to the first input and the first output of `client`, which must be running."""
        with self._source, self._sink:
            self._source.connect(self._out, f"{client}:in_0")
            self._sink.connect(f"{client}:out_0", self._in)
            yield

    def _send(self, n: int) -> None:
        now = self._source.last_frame_time
        samples = self._out.get_array()
        samples[:] = 0
        if self._next is None:
            self._next = now + self._spacing
        if self._next < now + n:
            at = max(self._next, now)  # later than meant where the server has left out a period
            samples[at - now] = 0.5
            self.sent.append(at)
            self._next = at + self._spacing

    def _receive(self, n: int) -> None:
        now = self._sink.last_frame_time
        self.came.extend(now + int(i) for i in np.flatnonzero(np.abs(self._in.get_array()) > 0.25))
