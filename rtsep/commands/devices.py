"""`rtsep devices`: the sound devices and MIDI inputs that there are."""

from __future__ import annotations

from rtsep.errors import DeviceError
from rtsep.io.audio_device import list_devices
from rtsep.io.quiet import quiet_stderr
from rtsep.live.midi import list_midi_inputs


def print_devices() -> int:
    """Print them, one a line, sound devices numbered; MIDI inputs where they can be had. Raises DeviceError."""
    with quiet_stderr():
        found = list_devices()
    print(found)
    try:
        names = list_midi_inputs()
    except DeviceError:  # most have none and want none; --midi says what is missing
        names = []
    for name in names:
        print(f"  MIDI {name}")
    return 0
