"""The file job: a song in, its stems out, as one stream; an hour takes the memory of a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rtsep.engine.local import warm_up
from rtsep.engine.process import seconds_since_start
from rtsep.errors import OptionError
from rtsep.io.audio_file import AudioInfo, AudioReader, open_audio
from rtsep.io.coding_thread import create_file_coded_beside
from rtsep.io.stem_files import wav_offset
from rtsep.io.stem_writers import StemWriters
from rtsep.last_will import LastWill
from rtsep.stem_stream import StemStream
from rtsep.types import Chunk, ChunkResult, Engine, Separator, Target

if TYPE_CHECKING:
    from rtsep.sparse.coder import Solver

# In a shell: the folder that the files grow in, and those above it that were made, if nothing else has come to them.
_UNDO = 'rm -rf -- "$1"; shift; for made in "$@"; do rmdir -- "$made"; done'

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


class Song:
    """A song amid its separation: its chunks go out, their results come in, and its stems grow in `writers`.

    The caller opens the reader, and is `writing` from before the first `take` on. `other` takes the residual, so that
    the stems add up to the song. Raises RtsepError.
    """

    def __init__(self, job: FileJob, reader: AudioReader, separator: Separator) -> None:
        self.stems = chosen_stems(job.stems, separator.stems)
        indices = [separator.stems.index(stem) for stem in self.stems]
        self._choice = indices if self.stems != separator.stems else slice(None)  # without a copy
        self._reader = reader
        self._separator = separator
        self._is_direct = (
            job.audio_format == "wav"
            and reader.info.sample_rate == separator.sample_rate
            and separator.shape.overlap < separator.shape.advance
        )
        rate, n_channels = reader.info.sample_rate, reader.info.n_channels
        self._stream = StemStream(separator, rate, n_channels)
        self.writers = StemWriters(
            job.folder, self.stems, rate, n_channels, job.audio_format, job.overwrite, create_file_coded_beside
        )

    @property
    def n_done(self) -> int:
        """Samples of each stem that are written."""
        return self._stream.n_done

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As long as its files grow: what is not committed is removed in the end, also where this process is killed."""
        with self.writers as writers, LastWill(_UNDO, str(writers.work), *map(str, writers.made)):
            yield

    def chunks(self) -> Iterator[Chunk]:
        """The song's chunks, numbered from 0; with the files as their target where no stem has to be resampled."""
        for chunk in self._stream.chunks(self._reader.blocks()):
            yield replace(chunk, target=self._target(chunk.index)) if self._is_direct else chunk

    def take(self, result: ChunkResult) -> None:
        """Write what the next chunk's result makes final, if that is not written already."""
        self.writers.write(self._stream.push(result)[self._choice])
        if result.is_written:
            self.writers.skip(self._stream.pass_over())

    def finish(self) -> None:
        """Write what is held back, after the last result."""
        self.writers.write(self._stream.finish()[self._choice])

    def commit(self, ready: float) -> FileRun:
        """Have the files appear, all or none."""
        self.writers.commit()
        return FileRun(
            info=self._reader.info,
            separator=self._separator,
            stems=self.stems,
            n_samples=self._stream.n_done,
            resampling_seconds=self._stream.resampling_seconds,
            computed=self._stream.computed,
            n_clipped=self.writers.n_clipped,
            ready=ready,
            done=seconds_since_start(),
        )

    def _target(self, index: int) -> Target:
        """Where chunk `index` belongs in the files, which end with what has been heard by now."""
        shape, n_channels = self._separator.shape, self._reader.info.n_channels
        start, end = index * shape.advance - shape.lead, self._stream.n_heard
        return Target(str(self.writers.work), wav_offset(start, n_channels), wav_offset(end, n_channels))


def separate_file(
    job: FileJob, load: Callable[[], Separator], start_engine: StartEngine, progress: Callable[[int, int], None]
) -> FileRun:
    """Do the job. All that can be wrong from the start is found before `start_engine` is called.

    That gets the separator, warm, and the number of channels; `progress` is told the samples done, and of how many.
    Raises RtsepError.
    """
    with open_audio(job.song, job.start_seconds, job.duration_seconds) as reader:
        separator = load()
        song = Song(job, reader, separator)
        with song.writing():
            warm_up(separator, reader.info.n_channels)
            engine = start_engine(separator, reader.info.n_channels)
            ready = seconds_since_start()
            for result in engine.run(song.chunks()):
                song.take(result)
                progress(song.n_done, reader.n_samples)
            song.finish()
            progress(song.n_done, reader.n_samples)
            return song.commit(ready)


def chosen_stems(asked: tuple[str, ...], available: tuple[str, ...]) -> tuple[str, ...]:
    """The stems that were asked for, in the model's order; all if none were. Raises OptionError."""
    for stem in asked:
        if stem not in available:
            raise OptionError(f"stem {stem}: not one of this model's; choose among {', '.join(available)}")
    return tuple(stem for stem in available if stem in asked or not asked)
