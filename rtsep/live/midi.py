"""Gains by the faders of a MIDI device: volume on a channel for each stem, or whatever controllers it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import log10
from types import ModuleType
from typing import Any

from rtsep.errors import DeviceError, OptionError
from rtsep.io.quiet import quiet_stderr
from rtsep.live.desk import SILENT_DB, Change, Desk, set_gain, set_master
from rtsep.live.report import Tell
from rtsep.live.steering import Changes

_VOLUME = 7
_FULL = 127
_CHANNELS = 16
_MASTER = "master"

Controls = Mapping[tuple[int, int], int]
"""Which strip a controller moves on a channel, both counted from 0; the number of stems stands for the master."""


def volume_controls(n_stems: int) -> Controls:
    """Control change 7 on channel 1 for the first stem, 2 for the second, and on the one after the last: master."""
    return {(_VOLUME, place): place for place in range(n_stems + 1)}


def parse_controls(text: str, stems: tuple[str, ...]) -> Controls:
    """Controllers on any channel, as in "21=bass,22=master"; the usual ones if empty. Raises OptionError."""
    if not text:
        return volume_controls(len(stems))
    names = [*stems, _MASTER]
    pairs = [(number.strip(), name.strip()) for number, _, name in (part.partition("=") for part in text.split(","))]
    if not all(number.isdecimal() and int(number) <= _FULL and name in names for number, name in pairs):
        raise OptionError(
            f"faders {text}: must be controllers from 0 to {_FULL} and what they move, as in 21={names[0]},"
            f"22={_MASTER}; there are {', '.join(names)}"
        )
    return {(int(number), channel): names.index(name) for number, name in pairs for channel in range(_CHANNELS)}


def list_midi_inputs() -> list[str]:
    """The names of the MIDI inputs. Raises DeviceError where there can be none."""
    mido = _mido()
    try:
        with quiet_stderr():
            return list(dict.fromkeys(mido.get_input_names()))
    except OSError as error:
        raise DeviceError(f"MIDI: this system has none ({_reason(error)}); do without --midi") from error


@contextmanager
def faders(wanted: str, controls: Controls, changes: Changes, tell: Tell) -> Iterator[None]:
    """Put what the MIDI input with `wanted` in its name sends into `changes`. Raises DeviceError.

    `tell` gets a line for each controller that moves nothing, once. An input that goes away leaves the gains as they
    are: nobody is told of it.
    """
    name = _choose(wanted, list_midi_inputs())
    idle: set[int] = set()

    def hear(message: Any) -> None:
        if change := change_by(message, controls):
            changes.put(change)
        elif message.type == "control_change" and message.control not in idle:
            idle.add(message.control)
            tell(f"MIDI: controller {message.control} on channel {message.channel + 1} moves nothing; --faders can")

    try:
        with quiet_stderr():
            port = _mido().open_input(name, callback=hear)
    except OSError as error:
        raise DeviceError(f"MIDI input {name}: cannot be opened ({_reason(error)}); choose another") from error
    with port:
        yield


def _choose(wanted: str, names: list[str]) -> str:
    """The one that is called so, or the only one with `wanted` in its name. Raises DeviceError."""
    found = [name for name in names if wanted.lower() in name.lower()]
    exact = [name for name in names if name.lower() == wanted.lower()]
    if not found:
        raise DeviceError(f"MIDI input {wanted}: there is no such one; choose among {', '.join(names) or 'none'}")
    if len(exact or found) > 1:
        raise DeviceError(f"MIDI input {wanted}: it may be {' or '.join(found)}; give more of the name")
    return (exact or found)[0]


def change_by(message: Any, controls: Controls) -> Change | None:
    """What a mido message changes: the gain of a strip, or the master's; None for any other message."""
    if message.type != "control_change" or (message.control, message.channel) not in controls:
        return None
    place, gain_db = controls[message.control, message.channel], volume_db(message.value)
    return partial(_set_gain_at, place=place, gain_db=gain_db)


def _set_gain_at(desk: Desk, place: int, gain_db: float) -> Desk:
    if place == len(desk.strips):
        return set_master(desk, gain_db)
    return set_gain(desk, place, gain_db)


def volume_db(value: int) -> float:
    """40 log10(value / 127) dB, as General MIDI has it: 127 is full level, 0 is silence."""
    return 40 * log10(value / _FULL) if value else SILENT_DB


def _mido() -> ModuleType:
    """The package, with its backend. Raises DeviceError."""
    try:
        import mido
        import rtmidi  # noqa: F401  # what mido reads devices by
    except ImportError as error:
        raise DeviceError(f"MIDI: {error.name} is not installed; pip install 'rtsep[midi]'") from error
    found: ModuleType = mido
    return found


def _reason(error: OSError) -> str:
    return str(error).rstrip(".")
