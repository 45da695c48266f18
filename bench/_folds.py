"""Folds of a cross-validation: songs that are judged together, by models that heard neither them nor their players."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rtsep.errors import OptionError
from rtsep.evaluation.songs import Song
from rtsep.training.sources import Source


@dataclass(frozen=True)
class Fold:
    """Songs that share singers or players; `name` is a word that can name a file."""

    name: str
    songs: tuple[Song, ...]


def folds_by_folder(songs: Sequence[Song]) -> list[Fold]:
    """One fold for each folder that holds folders of songs: ARTIST/SONG/bass.wav is a song of ARTIST's fold."""
    artists = {song.name: next(iter(song.files.values())).resolve().parents[1].name for song in songs}
    names = sorted(set(artists.values()))
    return [Fold(name, tuple(song for song in songs if artists[song.name] == name)) for name in names]


def read_folds(path: Path, songs: Sequence[Song]) -> list[Fold]:
    """Folds from a TOML file of lines `NAME = ["SONG", "SONG"]`; songs in none of them are always trained on.

    Raises OptionError where it cannot be read, names no song of `songs`, or one of them twice.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f'folds {path}: {error}; it must be TOML, lines of NAME = ["SONG", "SONG"]') from error
    by_name, seen = {song.name: song for song in songs}, set[str]()
    for name, members in table.items():
        if not isinstance(members, list) or not members:
            raise OptionError(f'folds {path}: {name} is {members!r}; write {name} = ["SONG", "SONG"]')
        if wrong := [m for m in members if m not in by_name or m in seen]:
            raise OptionError(f"folds {path}: {wrong[0]!r} is unknown or in two folds; songs are {', '.join(by_name)}")
        seen.update(members)
    return [Fold(name, tuple(by_name[member] for member in members)) for name, members in table.items()]


def check_apart(fold: Fold, sources: Sequence[Source]) -> None:
    """Raise OptionError where a model would be trained on a file from a folder of the songs that it is judged on."""
    judged = {path.resolve().parent for song in fold.songs for path in song.files.values()}
    if leaks := [source.path for source in sources if source.path.resolve().parent in judged]:
        raise OptionError(f"fold {fold.name}: {leaks[0]} would be trained on and judged; take it out of the recipe")
