"""Songs to be judged on: folders that hold the true stems as files. Found at once, read when their turn comes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import OptionError
from rtsep.io.audio_file import AudioInfo, open_audio
from rtsep.io.folders import sounds_below
from rtsep.types import STEMS, Audio, Stems

# A stem this far below its mixture over the whole song is no stem: what is judged there is the noise of its recording.
ABSENT_DB = -60.0


@dataclass(frozen=True)
class Song:
    """One song's files by stem, in the order of `stems`; a stem that has no file is silent."""

    name: str
    files: dict[str, Path]
    sample_rate: int
    n_samples: int
    n_channels: int
    stems: tuple[str, ...] = STEMS

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, eq=False)
class Recording:
    """One song in memory: `mixture` `(n_samples, n_channels)`, and `truth` `(n_stems, n_samples, n_channels)` of it.

    Stems in `absent` are silent in `truth`, as they are further than ABSENT_DB below the mixture, or have no file.
    """

    mixture: Audio
    truth: Stems
    sample_rate: int
    absent: tuple[str, ...]
    stems: tuple[str, ...] = STEMS


def find_songs(folder: Path, names: Sequence[str] = (), stems: tuple[str, ...] = STEMS) -> list[Song]:
    """Every folder at or below `folder` that holds at least two of `stems` as sound files, as `sounds_below` has it.

    `names` chooses among them by the folders' names. Raises OptionError where there is none, a name is unknown or
    stands for two songs, or a file does not fit those beside it; AudioError for a file that cannot be read.
    """
    expected = ", ".join(f"SONG/{stem}.wav" for stem in stems[:2])
    if not folder.is_dir():
        raise OptionError(f"data folder {folder}: there is no such folder; give one of songs, {expected}, ...")
    found: dict[Path, dict[str, Path]] = {}
    for path in sounds_below(folder):
        if path.stem in stems:
            found.setdefault(path.parent, {}).setdefault(path.stem, path)
    folders = {parent: files for parent, files in found.items() if len(files) > 1}
    if not folders:
        raise OptionError(f"no songs under {folder}: expected {expected}, ... (or flac, ogg, mp3)")
    known = Counter(map(_name, folders))
    if unknown := [name for name in names if name not in known]:
        raise OptionError(f"song {unknown[0]!r} is not under {folder}: there are {', '.join(sorted(known))}")
    chosen = [name for name in known if not names or name in names]
    if twice := [name for name in chosen if known[name] > 1]:
        raise OptionError(f"{known[twice[0]]} songs under {folder} are named {twice[0]}: rename their folders")
    return [_open_song(parent, files, stems) for parent, files in folders.items() if _name(parent) in chosen]


def read_song(song: Song) -> Recording:
    """The whole song: some 2.5 MB for each second of stereo. Raises AudioError where a file turns out damaged."""
    truth = np.zeros((len(song.stems), song.n_samples, song.n_channels), np.float32)
    for stem, path in song.files.items():
        start = 0
        with open_audio(path) as reader:
            for block in reader.blocks():
                truth[song.stems.index(stem), start : start + len(block)] = block
                start += len(block)
    mixture = truth.sum(axis=0)
    absent = absent_stems(truth, mixture)
    truth[absent] = 0
    names = tuple(stem for stem, is_absent in zip(song.stems, absent, strict=True) if is_absent)
    return Recording(mixture, truth, song.sample_rate, names, song.stems)


def absent_stems(truth: Stems, mixture: Audio) -> NDArray[np.bool_]:
    """Which stems do not sound, `(n_stems,)`: their energy is further than ABSENT_DB below the mixture's, or zero."""
    energies = np.array([np.vdot(stem, stem) for stem in truth], np.float64)
    return np.asarray(energies <= 10 ** (ABSENT_DB / 10) * np.vdot(mixture, mixture))


def sounding_windows(recording: Recording) -> NDArray[np.bool_]:
    """In which windows of 1 s each stem sounds, `(n_stems, n_windows)`: within ABSENT_DB of the song's mean window.

    Lossy files have noise where a stem is silent; what is scored there is that noise.
    """
    rate, mixture = recording.sample_rate, recording.mixture
    n_windows = max(1, len(mixture) // rate)
    floor = 10 ** (ABSENT_DB / 10) * np.vdot(mixture, mixture) / n_windows
    windows = (recording.truth[:, w * rate : (w + 1) * rate] for w in range(n_windows))
    return np.array([[np.vdot(stem, stem) > floor for stem in window] for window in windows]).T


def _name(folder: Path) -> str:
    """The folder's own, or the link's by which it was found."""
    return os.path.basename(os.path.abspath(folder))


def _open_song(folder: Path, files: dict[str, Path], stems: tuple[str, ...]) -> Song:
    infos = {stem: _info(files[stem]) for stem in stems if stem in files}
    first = next(iter(infos.values()))
    for info in infos.values():
        found, wanted = ((i.sample_rate, i.n_channels, i.n_samples) for i in (info, first))
        if found != wanted:
            raise OptionError(
                f"{info.path}: {found[2]} samples at {found[0]} Hz, {found[1]} channels, but {first.path.name} beside "
                f"it has {wanted[2]} at {wanted[0]} Hz, {wanted[1]} channels; stems must be alike: convert them"
            )
    ordered = {stem: files[stem] for stem in infos}
    return Song(_name(folder), ordered, first.sample_rate, first.n_samples, first.n_channels, stems)


def _info(path: Path) -> AudioInfo:
    with open_audio(path) as reader:
        return reader.info
