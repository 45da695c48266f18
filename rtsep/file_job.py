"""The file job: a song in, its stems out, as one stream; an hour takes the memory of a minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtsep.engine.local import warm_up
from rtsep.engine.process import seconds_since_start
from rtsep.errors import OptionError
from rtsep.io.audio_file import AudioInfo, open_audio
from rtsep.io.stem_writers import StemWriters
from rtsep.streaming.overlap_add import OverlapAdd
from rtsep.streaming.resample import Resampler
from rtsep.streaming.slicer import Slicer
from rtsep.types import Audio, Chunk, Engine, Separator, Stems

if TYPE_CHECKING:
    from rtsep.sparse.coder import Solver

RESIDUAL_STEM = "other"

StartEngine = Callable[[Separator, int], Engine]
Progress = Callable[[int], None]


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


class StemStream:
    """Blocks of a mixture at `rate` Hz to its stems at the same rate, sample by sample where the mixture was."""

    def __init__(self, separator: Separator, engine: Engine, rate: int, n_channels: int) -> None:
        n_stems = len(separator.stems)
        self._shape = (-1, n_stems, n_channels)
        self._rate = rate
        self._model_rate = separator.sample_rate
        self._engine = engine
        self._to_model = Resampler(rate, separator.sample_rate, n_channels)
        self._to_song = Resampler(separator.sample_rate, rate, n_stems * n_channels)
        self._slicer = Slicer(separator.shape, n_channels)
        self._overlap_add = OverlapAdd(separator.shape, n_stems, n_channels)
        self._residual = separator.stems.index(RESIDUAL_STEM) if RESIDUAL_STEM in separator.stems else None
        self._mixture: deque[Audio] = deque()
        self._n_heard = 0
        self._n_model = 0
        self.n_done = 0
        self.computed: list[tuple[int, float]] = []

    def run(self, blocks: Iterable[Audio]) -> Iterator[Stems]:
        """The stems `(n_stems, n, n_channels)` of the blocks `(n, n_channels)`: block by block as they become final."""
        for result in self._engine.run(self._chunks(blocks)):
            self.computed.append((result.rank, result.compute_seconds))
            yield self._finish(self._to_song.push(self._at_model_rate(self._overlap_add.push(result.stems))))
        yield self._finish(self._to_song.finish(self._n_heard))

    @property
    def resampling_seconds(self) -> float:
        """How long the resamplers, there and back, can hold sound back; 0 at the model's own rate."""
        return self._to_model.latency / self._rate + self._to_song.latency / self._model_rate

    def _chunks(self, blocks: Iterable[Audio]) -> Iterator[Chunk]:
        for block in blocks:
            self._mixture.append(block)
            self._n_heard += len(block)
            yield from self._slicer.push(self._to_model.push(block))
        yield from self._slicer.push(self._to_model.finish())
        yield from self._slicer.finish()

    def _at_model_rate(self, stems: Stems) -> Audio:
        """Stems side by side as channels `(n, n_stems * n_channels)`, cut at the end of what has been heard."""
        n_left = self._to_model.output_length(self._n_heard) - self._n_model
        rows = np.ascontiguousarray(stems[:, :n_left].transpose(1, 0, 2)).reshape(-1, stems.shape[0] * stems.shape[2])
        self._n_model += len(rows)
        return rows

    def _finish(self, rows: Audio) -> Stems:
        """Stems again, and `other` gets whatever they lack of the mixture, resampling included."""
        stems = np.ascontiguousarray(rows.reshape(self._shape).transpose(1, 0, 2))
        if self._residual is not None:
            stems[self._residual] += self._take(len(rows)) - stems.sum(axis=0)
        self.n_done += len(rows)
        return stems

    def _take(self, n: int) -> Audio:
        """The next `n` samples of the mixture, which was kept for them."""
        parts = [np.zeros((0, self._shape[2]), np.float32)]
        while n:
            block = self._mixture.popleft()
            parts.append(block[:n])
            n -= len(parts[-1])
            if len(block) > len(parts[-1]):
                self._mixture.appendleft(block[len(parts[-1]) :])
        return np.concatenate(parts)


def _chosen(asked: tuple[str, ...], available: tuple[str, ...]) -> tuple[str, ...]:
    """The stems that were asked for, in the model's order."""
    for stem in asked:
        if stem not in available:
            raise OptionError(f"stem {stem}: not one of this model's; choose among {', '.join(available)}")
    return tuple(stem for stem in available if stem in asked or not asked)
