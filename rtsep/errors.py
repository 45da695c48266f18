"""What can go wrong that is the caller's to mend: each message says the value, the rule and the cure, in one line."""

from __future__ import annotations


class RtsepError(Exception):
    """Base of all errors that rtsep raises on purpose; the command line prints them in one line and exits with 2."""


class AudioError(RtsepError):
    """A sound file or its samples cannot be used: missing, empty, truncated, not finite, too many channels."""


class OutputError(RtsepError):
    """The result cannot be written: no permission, no room, or it is there already."""


class ModelError(RtsepError):
    """A model is unknown, of another version, damaged, or does not fit what is asked of it."""


class OptionError(RtsepError):
    """An option's value is outside what it may be."""


class DeviceError(RtsepError):
    """A sound device cannot be used: no PortAudio, no such device, busy, another rate, unplugged."""
