"""`rtsep devices`: the sound devices that there are."""

from __future__ import annotations

from rtsep.io.audio_device import list_devices


def print_devices() -> int:
    """Print them, numbered, one a line. Raises DeviceError."""
    print(list_devices())
    return 0
