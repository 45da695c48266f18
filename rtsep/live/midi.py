"""Gains by the faders of a MIDI device: control change 7, volume, on channel 1 for the first stem, 2 for the second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import log10
from types import ModuleType
from typing import Any

from rtsep.errors import DeviceError
from rtsep.io.quiet import quiet_stderr
from rtsep.live.desk import SILENT_DB, Change, set_gain, set_master
from rtsep.live.steering import Changes

_VOLUME = 7
_FULL = 127


def list_midi_inputs() -> list[str]:
    """The names of the MIDI inputs. Raises DeviceError where there can be none."""
    mido = _mido()
    try:
        with quiet_stderr():
            return list(dict.fromkeys(mido.get_input_names()))
    except OSError as error:
        raise DeviceError(f"MIDI: this system has none ({_reason(error)}); do without --midi") from error


@contextmanager
def faders(wanted: str, changes: Changes, n_stems: int) -> Iterator[None]:
    """Put what the MIDI input with `wanted` in its name sends into `changes`. Raises DeviceError.

    One that goes away leaves the gains as they are: nobody is told of it.
    """
    name = _choose(wanted, list_midi_inputs())

    def hear(message: Any) -> None:
        if change := change_by(message, n_stems):
            changes.put(change)

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


def change_by(message: Any, n_stems: int) -> Change | None:
    """What a mido message changes: gains of the strips, on the channel after theirs the master; None for any other."""
    if message.type != "control_change" or message.control != _VOLUME or message.channel > n_stems:
        return None
    gain_db = volume_db(message.value)
    if message.channel == n_stems:
        return partial(set_master, gain_db=gain_db)
    return partial(set_gain, index=message.channel, gain_db=gain_db)


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
