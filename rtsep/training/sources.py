"""One recording of one stem, and clips of it. Nothing but its length and rate is known until a clip is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from rtsep.errors import AudioError, OptionError
from rtsep.types import Audio


@dataclass(frozen=True)
class Source:
    """One recording of one stem. `song` groups the recordings that belong together, for splits and for true mixes;
    `group` those that share the weight `share` when a stem is drawn: a thousand short clips must not drown ten songs.
    """

    song: str
    stem: str
    path: Path
    sample_rate: int
    n_samples: int
    channels: tuple[int, ...]
    group: str = "songs"
    share: float = 1.0

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate


def open_source(
    path: Path, song: str, stem: str, group: str, share: float, channels: Sequence[int] | None = None
) -> Source:
    """The recording in a sound file, all its channels if not told which. Raises OptionError where it has no such."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise OptionError(f"{path} is no sound file ({error.error_string}): take it out of the folder") from error
    chosen = tuple(range(info.channels)) if channels is None else tuple(channels)
    if not chosen or not set(chosen) <= set(range(info.channels)):
        raise OptionError(f"{path} has channels 0 to {info.channels - 1}, not {list(chosen)}: name some of these")
    return Source(song, stem, path, info.samplerate, info.frames, chosen, group, share)


def read_clip(source: Source, start: float, seconds: float, channels: Sequence[int], sample_rate: int) -> Audio:
    """`(n_samples, len(channels))` at `sample_rate`: `seconds` from `start` on; silence after the end.

    Only that much of the file is decoded. Raises AudioError where it cannot be.
    """
    n = round(seconds * sample_rate)
    first = min(round(start * source.sample_rate), source.n_samples)
    wanted = round(seconds * source.sample_rate)
    try:
        samples, _ = soundfile.read(source.path, wanted, first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        begin, why = first / source.sample_rate, error.error_string.rstrip(".")
        raise AudioError(
            f"{source.path} cannot be read from {begin:.1f} s on ({why}): "
            "recordings must be whole; fetch it again, or take it out of the folder"
        ) from error
    clip = np.ascontiguousarray(samples[:, list(channels)])
    if source.sample_rate != sample_rate and len(clip):
        clip = soxr.resample(clip, source.sample_rate, sample_rate)
    out = np.zeros((n, len(channels)), np.float32)
    out[: min(n, len(clip))] = clip[:n]
    return out
