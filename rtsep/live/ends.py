"""The two ends of a live stream: where the sound comes from and where it goes, and what they agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rtsep.errors import OptionError
from rtsep.io.audio_device import Device, find_device
from rtsep.io.audio_file import MAX_CHANNELS, SAMPLE_RATES, AudioReader
from rtsep.io.names import printable

NONE = "none"
_PAIR = 2


@dataclass(frozen=True)
class Ends:
    """An input device or an open `song`; an output device or none; the rate in Hz and the channels to separate.

    `n_played` are the output's channels: as many as are separated, or more of them where those are one; with `apart`
    as many for each stem.
    """

    song: AudioReader | None
    input: Device | None
    output: Device | None
    rate: int
    n_channels: int
    n_played: int
    apart: bool = False

    @property
    def source_name(self) -> str:
        if self.song:
            return printable(self.song.info.path)
        return self.input.name if self.input else NONE

    @property
    def sink_name(self) -> str:
        return self.output.name if self.output else NONE


def find_ends(
    song: AudioReader | None,
    wanted_input: str | None,
    wanted_output: str | None,
    channels: int | None,
    rate: int | None,
) -> Ends:
    """Find the devices that are wanted, by number or name; the system's own where None, no output for 'none'.

    A song brings its own rate and channels; a device has its own rate, and two channels of it are used if there are as
    many. Raises DeviceError, and OptionError for what contradicts itself.
    """
    if song and any(asked is not None for asked in (wanted_input, channels, rate)):
        raise OptionError("--input-file brings sound, rate and channels; leave out --input, --channels and --rate")
    if channels is not None and not 1 <= channels <= MAX_CHANNELS:
        raise OptionError(f"channels {channels}: it must be 1 to {MAX_CHANNELS}; most devices have 2")
    if rate is not None and not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
        raise OptionError(f"rate {rate}: it must be {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz; most devices do 44100")
    output = None if wanted_output == NONE else find_device(wanted_output, "output")
    if song:
        n_channels = song.info.n_channels
        return Ends(song, None, output, song.info.sample_rate, n_channels, _n_played(output, n_channels))
    source = find_device(wanted_input, "input")
    n_channels = channels or min(_PAIR, source.n_channels, output.n_channels if output else _PAIR)
    return Ends(None, source, output, rate or source.rate, n_channels, _n_played(output, n_channels))


def stems_apart(ends: Ends, n_stems: int) -> Ends:
    """The same ends with outputs of its own for each stem. Raises OptionError where there are not as many."""
    n_played = n_stems * ends.n_channels
    n_outputs = ends.output.n_channels if ends.output else 0
    if n_outputs < n_played:
        raise OptionError(
            f"outputs stems: {n_stems} stems of {ends.n_channels} channels take {n_played} outputs, {ends.sink_name} "
            f"has {n_outputs}; choose another --output, or --outputs mix"
        )
    return replace(ends, n_played=n_played, apart=True)


def _n_played(output: Device | None, n_channels: int) -> int:
    """One channel goes to a pair where there is one: some devices take nothing less."""
    return min(_PAIR, output.n_channels) if output and n_channels == 1 else n_channels
