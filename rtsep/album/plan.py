"""What there is to do for an album: its songs, and which of them are done or cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rtsep.errors import AudioError, OptionError, OutputError, RtsepError
from rtsep.file_job import FileJob, chosen_stems
from rtsep.io.audio_file import AudioInfo, AudioReader, open_audio
from rtsep.io.folders import sounds_below
from rtsep.io.names import printable
from rtsep.io.whole import is_whole_stem


@dataclass(frozen=True)
class PlannedSong:
    """A song's job, what it is, and how many samples are asked for; `kept` if its stems are there; or its fault."""

    job: FileJob
    info: AudioInfo | None = None
    n_samples: int = 0
    kept: bool = False
    fault: str = ""

    @property
    def is_due(self) -> bool:
        """Whether it is still to be separated."""
        return not (self.kept or self.fault)


def album_jobs(album: FileJob) -> list[FileJob]:
    """A job like `album` for each song of `sounds_below` its folder, in the order of their paths.

    `out`, if given, gets the same folders below it. Folders of stems are left out. Raises AudioError where there is no
    song.
    """
    folder = album.song
    found = [song for song in sounds_below(folder) if not _is_stem(song.relative_to(folder))]
    if not found:
        raise AudioError(f"{printable(folder)}: holds no song; give a folder with wav, flac, ogg or mp3 files")
    return [
        replace(album, song=song, out=album.out / song.parent.relative_to(folder) if album.out else None)
        for song in found
    ]


def parse_part(text: str) -> tuple[int, int]:
    """The two numbers of "3/8", the third of eight parts. Raises OptionError."""
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise OptionError(f"part {text}: must be two numbers as in 3/8, the first from 1 to the second")
    return int(which), int(of)


def jobs_of_part(jobs: Sequence[FileJob], part: tuple[int, int]) -> list[FileJob]:
    """The jobs of one of several parts, to which the folders of stems are dealt in turn; maybe none."""
    which, of = part
    folders = {folder: i for i, folder in enumerate(dict.fromkeys(job.folder for job in jobs))}
    return [job for job in jobs if folders[job.folder] % of == which - 1]


def _is_stem(path: Path) -> bool:
    """Whether a file, by its path within the album, is one of the stems of a song."""
    return any(part.endswith(".stems") for part in path.parts)


def plan_songs(jobs: Sequence[FileJob], available: tuple[str, ...]) -> list[PlannedSong]:
    """Look at every song and at the stems of it that are there, `available` being all of the model's.

    A song whose stems are all there, of its own length and to their end, is kept, unless its job says to overwrite;
    what there is of others will be replaced. Raises OptionError for stems that the model does not have.
    """
    for stems in {job.stems for job in jobs}:
        chosen_stems(stems, available)
    taken: dict[Path, Path] = {}
    planned = []
    for job in jobs:
        try:
            first = taken.setdefault(job.folder, job.song)
            if first != job.song:
                raise OutputError(
                    f"{printable(job.song)}: its stems would lie where those of {first.name} do; rename it"
                )
            planned.append(_plan(job, chosen_stems(job.stems, available)))
        except RtsepError as error:
            planned.append(PlannedSong(job, fault=str(error)))
    return planned


def _plan(job: FileJob, stems: tuple[str, ...]) -> PlannedSong:
    with open_audio(job.song, job.start_seconds, job.duration_seconds) as song:
        kept = not job.overwrite and _are_there(job, stems, song)
        return PlannedSong(replace(job, overwrite=True), song.info, song.n_samples, kept)


def _are_there(job: FileJob, stems: tuple[str, ...], song: AudioReader) -> bool:
    return all(is_whole_stem(job.folder / f"{stem}.{job.audio_format}", song) for stem in stems)
