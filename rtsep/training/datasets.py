"""Where training sound comes from: songs with stem files, MUSDB18, MIR-1K, files of one stem. All are read lazily."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rtsep.errors import OptionError
from rtsep.io.folders import sounds_below
from rtsep.tables import check_numbers, made
from rtsep.training.sources import Source, open_source
from rtsep.types import STEMS


class Dataset(Protocol):
    """A collection of recordings. `folder` is meant below a data folder; an absolute one is taken as it is."""

    def sources(self, data: Path) -> list[Source]:
        """Its recordings, in the same order each time. Raises OptionError if there are none."""


@dataclass(frozen=True)
class SongFolder:
    """Every `SONG/STEM.ogg`, or of another of `sounds_below`'s kinds, below `folder`; but songs in `held_out`.

    A recipe for instruments names these as `stems`.
    """

    folder: str
    held_out: tuple[str, ...] = ()
    share: float = 1.0
    stems: tuple[str, ...] = STEMS

    def sources(self, data: Path) -> list[Source]:
        """Raises OptionError also for a held-out name that is no song there: a typing error must not leak a song."""
        root = data / self.folder
        paths = [p for p in sounds_below(root) if p.stem in self.stems]
        songs = {p.parent.name for p in paths}
        if not songs:
            files = ", ".join(f"SONG/{stem}.ogg" for stem in self.stems[:2])
            raise OptionError(f"no songs under {root}: expected {files}, ...")
        _check_held_out(self.held_out, songs, root, "song")
        kept = [p for p in paths if p.parent.name not in self.held_out]
        return [open_source(p, p.parent.name, p.stem, self.folder, self.share) for p in kept]


@dataclass(frozen=True)
class Musdb:
    """MUSDB18-HQ: `train/SONG/{mixture,bass,drums,vocals,other}.wav` and the same below `test`.

    MUSDB18's own `SONG.stem.mp4` are converted to these files once, by the musdb package's `musdbconvert`.
    """

    folder: str
    subset: str = "train"
    held_out: tuple[str, ...] = ()
    share: float = 1.0

    def sources(self, data: Path) -> list[Source]:
        """Raises OptionError also where the files are still in the packed form."""
        root = data / self.folder / self.subset
        if packed := sorted(root.glob("*.stem.mp4")):
            raise OptionError(f"{packed[0]} is packed: make wav files of all songs with musdb's musdbconvert")
        return SongFolder(f"{self.folder}/{self.subset}", self.held_out, self.share).sources(data)


@dataclass(frozen=True)
class SoloFolder:
    """Every file below `folder` that matches the glob `pattern`, as recordings of one stem with one share."""

    folder: str
    stem: str
    pattern: str
    channels: tuple[int, ...] | None = None
    share: float = 1.0

    def sources(self, data: Path) -> list[Source]:
        root = data / self.folder
        if self.stem not in STEMS:
            raise OptionError(f"stem {self.stem!r} of {root} is none of {', '.join(STEMS)}: write one of these")
        try:
            paths = sorted(root.glob(self.pattern))
        except (ValueError, NotImplementedError) as error:  # an empty one; one that begins with a slash
            raise OptionError(f"pattern {self.pattern!r} finds no files below {root}: write one as '*.ogg'") from error
        if not paths:
            raise OptionError(f"no sound under {root} matches {self.pattern!r}; write another pattern")
        group = f"{self.folder}/{self.pattern}"
        return [open_source(p, p.stem, self.stem, group, self.share, self.channels) for p in paths]


@dataclass(frozen=True)
class Mir1k:
    """MIR-1K's voices: `SINGER_SONG_CLIP.ogg` or the like, the voice alone on the right, its accompaniment not used.

    `held_out` names singers.
    """

    folder: str
    held_out: tuple[str, ...] = ()
    share: float = 1.0

    def sources(self, data: Path) -> list[Source]:
        root = data / self.folder
        paths = [p for p in sounds_below(root) if p.stem.count("_") == 2]
        singers = {_singer(p) for p in paths}
        if not singers:
            raise OptionError(f"no clips under {root}: expected SINGER_SONG_CLIP.wav, as in amy_1_01.wav")
        _check_held_out(self.held_out, singers, root, "singer")
        kept = [p for p in paths if _singer(p) not in self.held_out]
        return [open_source(p, p.stem, "vocals", self.folder, self.share, [1]) for p in kept]


KINDS: Mapping[str, type[Any]] = {
    "songs": SongFolder,
    "musdb": Musdb,
    "solo": SoloFolder,
    "mir1k": Mir1k,
}


def dataset(table: Mapping[str, Any]) -> Dataset:
    """A dataset from what a recipe says of it: its `kind` and its fields. Raises ValueError for what none has."""
    kind, options = str(table.get("kind")), {name: value for name, value in table.items() if name != "kind"}
    if kind not in KINDS:
        raise ValueError(f"a set of recordings of kind {kind!r}: it must be {', '.join(KINDS)}")
    check_numbers(f"a set of kind {kind}", {"share": options.get("share", 1.0)}, 0)
    found: Dataset = made(f"a set of kind {kind}", options, KINDS[kind])
    return found


def _singer(path: Path) -> str:
    return path.stem.partition("_")[0]


def _check_held_out(held_out: tuple[str, ...], names: set[str], root: Path, what: str) -> None:
    if unknown := sorted(set(held_out) - names):
        raise OptionError(f"held-out {what} {unknown[0]!r} is not under {root}: there are {', '.join(sorted(names))}")
