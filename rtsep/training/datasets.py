"""Where training sound comes from: songs with stem files, solo voices, single sounds. Read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from rtsep.errors import OptionError
from rtsep.types import F32, STEMS

_SOUND = {".ogg", ".wav", ".flac", ".mp3"}


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


def song_sources(folder: Path, held_out: Sequence[str] = ()) -> list[Source]:
    """Every `SONG/STEM.ogg` (or wav, flac, mp3) below `folder`, but for the songs named in `held_out`.

    Raises OptionError if there is none, or if a held-out name is no song there: a typing error must not leak a song.
    """
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix in _SOUND and p.stem in STEMS]
    songs = {p.parent.name for p in paths}
    if not songs:
        raise OptionError(f"no songs under {folder}: expected SONG/bass.ogg, SONG/drums.ogg, ...")
    if unknown := sorted(set(held_out) - songs):
        raise OptionError(f"held-out song {unknown[0]!r} is not under {folder}: there are {', '.join(sorted(songs))}")
    return [_source(p, p.parent.name, p.stem) for p in paths if p.parent.name not in held_out]


def solo_sources(
    folder: Path, stem: str, pattern: str, channels: Sequence[int] | None = None, share: float = 1.0
) -> list[Source]:
    """Every file below `folder` that matches the glob `pattern`, as recordings of one stem with one share."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise OptionError(f"no sound under {folder} matches {pattern!r}")
    group = f"{folder.name}/{pattern}"
    return [replace(_source(p, p.stem, stem, channels), group=group, share=share) for p in paths]


def _source(path: Path, song: str, stem: str, channels: Sequence[int] | None = None) -> Source:
    info = soundfile.info(path)
    chosen = tuple(range(info.channels)) if channels is None else tuple(channels)
    return Source(song, stem, path, info.samplerate, info.frames, chosen)


def read_clip(source: Source, start_seconds: float, seconds: float, channel: int, sample_rate: int) -> F32:
    """`seconds` of one channel at `sample_rate`, from `start_seconds` on; silence beyond the end of the file."""
    n = round(seconds * sample_rate)
    start = min(round(start_seconds * source.sample_rate), source.n_samples)
    wanted = round(seconds * source.sample_rate)
    samples, _ = soundfile.read(source.path, wanted, start, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(samples[:, channel])
    if source.sample_rate != sample_rate and mono.size:
        mono = soxr.resample(mono, source.sample_rate, sample_rate)
    out = np.zeros(n, np.float32)
    out[: min(n, mono.size)] = mono[:n]
    return out
