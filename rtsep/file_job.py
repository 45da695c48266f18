"""The file job: a song in, its stems out, as one stream; an hour takes the memory of a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtsep.engine.local import warm_up
from rtsep.engine.process import seconds_since_start
from rtsep.errors import OptionError
from rtsep.io.audio_file import AudioInfo, open_audio
from rtsep.io.stem_writers import StemWriters
from rtsep.stem_stream import StemStream
from rtsep.types import Engine, Separator

if TYPE_CHECKING:
    from rtsep.sparse.coder import Solver

StartEngine = Callable[[Separator, int], Engine]


@dataclass(frozen=True)
class FileJob:
    """What is asked for: `stems` of the song, or all that the model has if empty, from a stretch of it."""

    song: Path
    out: Path | None = None
    model: str = "cqt-sparse"
    solver: Solver = "cd"
    audio_format: str = "wav"
    stems: tuple[str, ...] = ()
    start_seconds: float = 0.0
    duration_seconds: float | None = None
    overwrite: bool = False

    @property
    def folder(self) -> Path:
        """Where the stems go: `<song>.stems`, in `out` or else beside the song."""
        return (self.out or self.song.parent) / f"{self.song.stem}.stems"


@dataclass(frozen=True)
class FileRun:
    """What was done. `computed` holds each chunk's rank and seconds; `ready` and `done` are ages of this process."""

    info: AudioInfo
    separator: Separator
    stems: tuple[str, ...]
    n_samples: int
    resampling_seconds: float
    computed: list[tuple[int, float]]
    n_clipped: dict[str, int]
    ready: float
    done: float


def separate_file(
    job: FileJob, load: Callable[[], Separator], start_engine: StartEngine, progress: Callable[[int, int], None]
) -> FileRun:
    """Do the job. All that can be wrong from the start is found before `start_engine` is called.

    That gets the separator, warm, and the number of channels; `progress` is told the samples done, and of how many.
    The stems add up to the song: `other` takes the residual. Raises RtsepError; the files appear all or none.
    """
    with open_audio(job.song, job.start_seconds, job.duration_seconds) as song:
        separator = load()
        stems = _chosen(job.stems, separator.stems)
        indices = [separator.stems.index(stem) for stem in stems]
        rate, n_channels = song.info.sample_rate, song.info.n_channels
        with StemWriters(job.folder, stems, rate, n_channels, job.audio_format, job.overwrite) as writers:
            warm_up(separator, n_channels)
            engine = start_engine(separator, n_channels)
            ready = seconds_since_start()
            stream = StemStream(separator, engine, rate, n_channels)
            for block in stream.run(song.blocks()):
                writers.write(block[indices])
                progress(stream.n_done, song.n_samples)
            writers.commit()
            return FileRun(
                info=song.info,
                separator=separator,
                stems=stems,
                n_samples=stream.n_done,
                resampling_seconds=stream.resampling_seconds,
                computed=stream.computed,
                n_clipped=writers.n_clipped,
                ready=ready,
                done=seconds_since_start(),
            )


def _chosen(asked: tuple[str, ...], available: tuple[str, ...]) -> tuple[str, ...]:
    """The stems that were asked for, in the model's order."""
    for stem in asked:
        if stem not in available:
            raise OptionError(f"stem {stem}: not one of this model's; choose among {', '.join(available)}")
    return tuple(stem for stem in available if stem in asked or not asked)
