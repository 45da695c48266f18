"""What the experiments train and judge on: a data folder in folds, or without one the halves of the demo song."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _folds import Fold, folds_by_folder, read_folds
from _recipes import Table, override
from _songs import write_demo_halves

from rtsep.errors import OptionError
from rtsep.evaluation.songs import find_songs

RECIPES = Path(__file__).parents[1] / "recipes"
_QUICK_SECONDS, _DEMO_SECONDS = 3.0, 10.0


@dataclass(frozen=True)
class Material:
    """`data` as in `rtsep train --data`, its songs in `folds`, models in the folder `models`; what the page says of it.

    `entries` are those of the recipes that it needs replaced.
    """

    data: Path
    folds: tuple[Fold, ...]
    models: Path
    entries: Mapping[str, Any]
    words: str


def add_material_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="as in rtsep train; without it the demo song in halves"
    )
    parser.add_argument("--folds", type=Path, metavar="FILE.toml", help='lines NAME = ["SONG", ...]; else by folder')
    parser.add_argument("--mixtures", type=int, metavar="N", help="training mixtures of every model, not its recipe's")
    parser.add_argument("--seconds", type=float, metavar="S", help="judge the middle S seconds of each song, not all")
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="keep models here, and do not train those there already"
    )


@contextmanager
def material(options: argparse.Namespace, tables: Mapping[str, Table]) -> Iterator[Material]:
    """For the recipes in `tables`. Raises OptionError where their songs are not in one folder, or cannot be found."""
    _check(options)
    with TemporaryDirectory() as folder:
        models = options.models or Path(folder) / "models"
        entries = {} if options.mixtures is None else {"data.mixtures": options.mixtures}
        if options.data is None:
            yield _demo(Path(folder), models, entries, options.quick)
        else:
            songs = find_songs(options.data / _songs_folder(tables))
            folds = tuple(read_folds(options.folds, songs) if options.folds else folds_by_folder(songs))
            yield Material(options.data, folds, models, entries, _words(folds, options.seconds))


def _check(options: argparse.Namespace) -> None:
    if options.folds and not options.data:
        raise OptionError(f"--folds {options.folds} without --data: the demo song's halves are the folds; leave it out")
    if options.seconds is not None and options.seconds < 1:
        raise OptionError(f"--seconds {options.seconds:g}: scores are medians over windows of 1 s; give 1 at least")


def _demo(folder: Path, models: Path, entries: Mapping[str, Any], quick: bool) -> Material:
    """As large as the demo song allows: its singer is on both sides, and a dozen seconds teach little."""
    write_demo_halves(folder, _QUICK_SECONDS if quick else _DEMO_SECONDS)
    small = {
        "data": {"songs": "songs", "held_out": [], "mixtures": 8 if quick else 100},
        "remix.seconds": 2.0,
        "dictionary.atoms": 32 if quick else 256,
        "dictionary.patches": 1000 if quick else 10000,
        "tuning.steps": 2 if quick else 100,
    }
    folds = tuple(folds_by_folder(find_songs(folder / "songs")))
    words = "not unseen music: halves of the demo song, each judged by models of the other, to show that it runs"
    return Material(folder, folds, models, {**small, **entries}, words)


def prepared(tables: Mapping[str, Table], found: Material) -> dict[str, Table]:
    """The recipes with the entries that the material needs; what these say of tuning is for those that tune."""
    return {
        name: override(
            table, {e: v for e, v in found.entries.items() if not e.startswith("tuning.") or "tuning" in table}
        )
        for name, table in tables.items()
    }


def _songs_folder(tables: Mapping[str, Table]) -> str:
    folders = {str(table["data"]["songs"]) for table in tables.values()}
    if len(folders) > 1:
        raise OptionError(f"recipes with songs in {' and '.join(sorted(folders))}: compare those of one folder")
    return folders.pop()


def _words(folds: tuple[Fold, ...], seconds: float | None) -> str:
    counts = ", ".join(f"{fold.name} {len(fold.songs)}" for fold in folds)
    judged = sum(min(song.seconds, seconds or song.seconds) for fold in folds for song in fold.songs)
    stretch = f", the middle {seconds:g} s of each" if seconds else ""
    return f"{judged / 60:.3g} min of songs judged{stretch}, none by a model that heard its fold: {counts}"
