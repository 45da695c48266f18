"""Songs with their true stems for the benches: whole ones, stretches of them, and a data folder made of the demo."""

from __future__ import annotations

from pathlib import Path

import soundfile

from rtsep.evaluation.songs import Song, find_songs, read_song
from rtsep.types import Stems

DEMO = Path(__file__).parents[1] / "demo"


def true_stems(folder: Path, seconds: float | None) -> list[tuple[Stems, int]]:
    """Stems `(4, n_samples, n_channels)` and rate of every song in `folder`: `seconds` from the start, or all."""
    recordings = [read_song(song) for song in find_songs(folder)]
    return [
        (r.truth if seconds is None else r.truth[:, : round(seconds * r.sample_rate)], r.sample_rate)
        for r in recordings
    ]


def write_stretch(song: Song, start: float, seconds: float, folder: Path) -> Path:
    """Write that stretch of every stem as 32-bit float wav below `folder`, which is made; returns it."""
    folder.mkdir(parents=True)
    first = round(start * song.sample_rate)
    for stem, path in song.files.items():
        samples, rate = soundfile.read(path, round(seconds * song.sample_rate), first, dtype="float32")
        soundfile.write(folder / f"{stem}.wav", samples, rate, subtype="FLOAT")
    return folder


def middles(songs: tuple[Song, ...], seconds: float, folder: Path) -> list[Song]:
    """The middle `seconds` of each song, written below `folder`; shorter songs as they are."""
    for song in songs:
        length = min(seconds, song.seconds)
        write_stretch(song, (song.seconds - length) / 2, length, folder / song.name)
    return find_songs(folder)


def write_demo_halves(data: Path, seconds: float) -> None:
    """A data folder whose `songs` are `seconds` of each half of the demo song, as though by two artists."""
    (song,) = find_songs(DEMO / "stems")
    for artist, start in (("first", 0.0), ("second", song.seconds / 2)):
        write_stretch(song, start, seconds, data / "songs" / artist / f"{artist}_half")
