"""Sound devices through PortAudio: which there are, and streams that call back for each block."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Literal, Self

import numpy as np

from rtsep.errors import DeviceError
from rtsep.types import Audio

# Takes the block that was heard, and fills the block to be played: `(n, n_channels)` each.
Exchange = Callable[[Audio, Audio], None]

_INVALID_RATE = -9997
_INVALID_CHANNELS = -9998
_UNAVAILABLE = -9985
_LONGEST_SECONDS = 60.0
_LONGEST_PAUSE = 5.0  # seconds between two blocks: PipeWire's plugin for ALSA waits for good where its server has ended
_STOPPING_SECONDS = 2.0


@dataclass(frozen=True)
class Device:
    """One direction of a device: its number and name for PortAudio, the channels it has, its own rate in Hz."""

    number: int
    name: str
    n_channels: int
    rate: int


def list_devices() -> str:
    """The devices as sounddevice lists them, one a line, or what it looked for where there is none.

    Raises DeviceError where the PortAudio library is missing.
    """
    sounddevice = _sounddevice()
    interfaces = ", ".join(interface["name"] for interface in sounddevice.query_hostapis())
    return str(sounddevice.query_devices()) or f"no sound device; looked for by {interfaces}"


def find_device(wanted: str | None, direction: Literal["input", "output"]) -> Device:
    """The device of this number, or part of a name, or the system's own if `wanted` is None. Raises DeviceError."""
    sounddevice = _sounddevice()
    name = int(wanted) if wanted and wanted.isdecimal() else wanted
    try:
        found = sounddevice.query_devices(name, direction)
    except (ValueError, sounddevice.PortAudioError) as error:
        asked = f"{direction} device {wanted or '(the default)'}"
        raise DeviceError(f"{asked}: {_why_not(name, direction, str(error))}") from error
    n_channels = found[f"max_{direction}_channels"]
    return Device(found["index"], found["name"], n_channels, round(found["default_samplerate"]))


def _why_not(name: str | int | None, direction: str, told: str) -> str:
    """What is wrong with a device that sounddevice, which `told` so, has not found; and the cure."""
    _, *several = told.splitlines()
    if several:
        return f"it may be {' or '.join(several)}; give a number, or more of the name"
    sounddevice = _sounddevice()
    reason = "there is no such one, or another program holds it"  # which PortAudio does not list on ALSA
    with suppress(ValueError, sounddevice.PortAudioError):
        if name is not None and sounddevice.query_devices(name):
            reason = f"it has no {direction}s"
    cure = "none" if direction == "output" else "--input-file"
    return f"{reason}; choose one that rtsep devices lists, or {cure}"


class DeviceStream:
    """Calls `exchange` for each block of an input device, an output device, or both; entering it starts the sound.

    Where there is no output what it plays is lost, and where there is no input it hears silence. `n_underruns` and
    `n_overruns` count the blocks before which PortAudio tells of output that came too late or input that was lost.
    Raises DeviceError where the devices cannot be opened or started.
    """

    def __init__(
        self,
        exchange: Exchange,
        rate: int,
        block: int,
        heard: tuple[Device | None, int],
        played: tuple[Device | None, int],
    ) -> None:
        """`heard` and `played` are devices and how many of their channels to use; one of them may be None."""
        self.n_underruns = 0
        self.n_overruns = 0
        self._lost = False
        self._called = 0.0
        self._exchange = exchange
        (source, n_in), (sink, n_out) = heard, played
        self._silence = np.zeros((block, n_in), np.float32)
        self._nowhere = np.zeros((block, n_out), np.float32)
        self._devices = " and ".join(device.name for device in (source, sink) if device)
        self._rate = rate
        sounddevice = _sounddevice()
        self._error = sounddevice.PortAudioError
        try:
            self._stream = self._open(sounddevice, block, heard, played)
        except self._error as error:
            raise self._cannot_play(error) from error

    def _open(
        self, sounddevice: ModuleType, block: int, heard: tuple[Device | None, int], played: tuple[Device | None, int]
    ) -> Any:
        """A stream of PortAudio's that calls back, in both directions or in the one that has a device."""
        (source, n_in), (sink, n_out) = heard, played
        common: dict[str, Any] = {"samplerate": self._rate, "blocksize": block, "dtype": "float32", "latency": "low"}
        if source and sink:
            devices, channels = (source.number, sink.number), (n_in, n_out)
            return sounddevice.Stream(device=devices, channels=channels, callback=self._call_both, **common)
        if source:
            return sounddevice.InputStream(device=source.number, channels=n_in, callback=self._call_input, **common)
        if sink:
            return sounddevice.OutputStream(device=sink.number, channels=n_out, callback=self._call_output, **common)
        raise ValueError("a stream needs an input device, an output device, or both")

    @property
    def active(self) -> bool:
        """Whether PortAudio still calls back; it stops where a device is unplugged or its server ends.

        Some systems do not tell: one that has not called for 5 s counts as stopped.
        """
        return bool(self._stream.active) and time.perf_counter() - self._called < _LONGEST_PAUSE

    @property
    def latency_seconds(self) -> float:
        """What PortAudio says that the devices add: input and output together.

        JACK gives the largest number there is for a client that has not said how late it is, which then counts as 0.
        """
        latency = self._stream.latency
        parts = latency if isinstance(latency, tuple) else (latency,)
        return float(sum(seconds for seconds in parts if seconds < _LONGEST_SECONDS))

    def __enter__(self) -> Self:
        try:
            self._stream.start()
        except self._error as error:
            self._stream.close()
            raise self._cannot_play(error) from error
        self._called = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._lost:
            self._stream.close(ignore_errors=True)

    def stop(self) -> None:
        """No more calls from here on.

        A stream whose device is gone is left as it is, also when this process ends: PortAudio would wait ten minutes
        for an answer of a JACK server that is no more, and for ever for one of PipeWire.
        """
        self._lost = not (self.active and self._stops())
        if self._lost:
            atexit.unregister(_sounddevice()._exit_handler)

    def _stops(self) -> bool:
        """Whether it does within 2 s."""
        thread = threading.Thread(target=self._stream.abort, name="rtsep-stop", daemon=True)
        thread.start()
        thread.join(_STOPPING_SECONDS)
        return not thread.is_alive()

    def _call_both(self, heard: Audio, played: Audio, n: int, when: Any, status: Any) -> None:
        self._called = time.perf_counter()
        if status:
            self._count_input(status)
            self._count_output(status)
        self._exchange(heard, played)

    def _call_input(self, heard: Audio, n: int, when: Any, status: Any) -> None:
        self._called = time.perf_counter()
        if status:
            self._count_input(status)
        self._exchange(heard, self._nowhere[:n])

    def _call_output(self, played: Audio, n: int, when: Any, status: Any) -> None:
        self._called = time.perf_counter()
        if status:
            self._count_output(status)
        self._exchange(self._silence[:n], played)

    def _count_input(self, status: Any) -> None:
        self.n_overruns += status.input_overflow
        self.n_underruns += status.input_underflow

    def _count_output(self, status: Any) -> None:
        self.n_underruns += status.output_underflow
        self.n_overruns += status.output_overflow

    def _cannot_play(self, error: Exception) -> DeviceError:
        return DeviceError(f"{self._devices}: {explain(error, self._rate)}")


def explain(error: Exception, rate: int) -> str:
    """Why PortAudio cannot open a stream of `rate` Hz, with a cure for the few things that have one of their own."""
    reason, code = (*error.args, "", 0)[:2]
    if code == _INVALID_RATE:
        return f"cannot do {rate} Hz; give another --rate, or a converted --input-file, or choose another device"
    if code == _INVALID_CHANNELS:
        return "has fewer channels than asked for; give fewer --channels, or mix the --input-file down"
    if code == _UNAVAILABLE:
        return "is busy or gone; end the program that holds it, or choose another"
    told = str(reason).rpartition(": ")[2]
    return f"cannot be opened ({told}); it may be gone: choose one that rtsep devices lists"


def _sounddevice() -> ModuleType:
    """The package, which looks for the PortAudio library when it is imported. Raises DeviceError."""
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            "PortAudio library: it is not installed; install it (Debian, Ubuntu: apt install libportaudio2), "
            "or do without devices: --input-file SONG --output none"
        ) from error
    found: ModuleType = sounddevice
    return found
