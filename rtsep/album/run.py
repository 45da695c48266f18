"""Many songs as one stream of chunks: the next song's follow the last of the one before, so that no rank idles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from types import TracebackType
from typing import Self

from rtsep.album.plan import PlannedSong, plan_songs
from rtsep.engine.local import warm_up
from rtsep.engine.process import seconds_since_start
from rtsep.errors import AudioError, RtsepError
from rtsep.file_job import FileJob, FileRun, Song, StartEngine
from rtsep.io.audio_file import open_audio
from rtsep.io.names import printable
from rtsep.types import Chunk, ChunkResult, Separator


@dataclass(frozen=True)
class AlbumRun:
    """What was done: the songs as planned, the runs of those that were separated, the faults of those that failed."""

    separator: Separator
    songs: Sequence[PlannedSong]
    runs: dict[FileJob, FileRun]
    faults: dict[FileJob, str]
    ready: float
    done: float


def separate_album(
    jobs: Sequence[FileJob],
    load: Callable[[], Separator],
    start_engine: StartEngine,
    progress: Callable[[int, int], None],
    tell: Callable[[str], None],
) -> AlbumRun:
    """Do all jobs but those whose stems are there; a song that cannot be separated is told of, and the rest go on.

    The engine is started once, if at all, for the most channels that any song has. Raises RtsepError for what is wrong
    with all of them alike.
    """
    separator = load()
    songs = plan_songs(jobs, separator.stems)
    for song in songs:
        if song.fault:
            tell(song.fault)
    to_do = [song for song in songs if song.is_due]
    with AlbumStream(to_do, separator, tell) as stream:
        if to_do:
            n_channels = max(song.info.n_channels for song in to_do if song.info)
            warm_up(separator, n_channels)
            engine = start_engine(separator, n_channels)
            stream.ready = seconds_since_start()
            n_samples = sum(song.n_samples for song in to_do)
            for result in engine.run(stream.chunks()):
                stream.take(result)
                progress(stream.n_done, n_samples)
            stream.finish()
            progress(stream.n_done, n_samples)
    faults = {song.job: song.fault for song in songs if song.fault} | stream.faults
    return AlbumRun(separator, songs, stream.runs, faults, stream.ready, seconds_since_start())


@dataclass
class _Turn:
    """A song whose chunks are under way; a fault ends its part, but those under way are still awaited."""

    planned: PlannedSong
    song: Song | None = None
    n_awaited: int = 0
    all_handed: bool = False
    fault: str = ""
    undo: ExitStack = field(default_factory=ExitStack)


class AlbumStream:
    """The chunks of `songs`, numbered through, and where their results go: to the files of the song whose turn it is.

    Of all songs one is read at a time; the files of those whose chunks are under way grow; and those of one more are
    seen to the disk, on a thread, as that takes as long as many chunks. Use it in a `with` statement: what is not
    finished by its end leaves no files.
    """

    def __init__(self, songs: Sequence[PlannedSong], separator: Separator, tell: Callable[[str], None]) -> None:
        self.ready = seconds_since_start()
        self.runs: dict[FileJob, FileRun] = {}
        self.faults: dict[FileJob, str] = {}
        self._songs = songs
        self._separator = separator
        self._tell = tell
        self._turns: deque[_Turn] = deque()
        self._n_passed = 0
        self._disk = ThreadPoolExecutor(1)
        self._going_to_disk: tuple[_Turn, Future[FileRun]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disk.shutdown()
        for turn in [*self._turns, *([self._going_to_disk[0]] if self._going_to_disk else [])]:
            turn.undo.close()

    @property
    def n_done(self) -> int:
        """Samples of all songs that are done with, whether well or not."""
        head = self._turns[0].song if self._turns else None
        return self._n_passed + (head.n_done if head else 0)

    def chunks(self) -> Iterator[Chunk]:
        """The chunks of all songs; a song is opened when its first chunk is asked for."""
        numbers = count()
        for planned in self._songs:
            turn = _Turn(planned)
            self._turns.append(turn)
            try:
                for chunk in self._chunks_of(turn):
                    turn.n_awaited += 1
                    yield replace(chunk, index=next(numbers))
            except RtsepError as error:
                self._fail(turn, error)
            turn.all_handed = True

    def take(self, result: ChunkResult) -> None:
        """Take the next chunk's result to its song."""
        self._pass_on()
        turn = self._turns[0]
        turn.n_awaited -= 1
        if turn.song and not turn.fault:
            try:
                turn.song.take(result)
            except RtsepError as error:
                self._fail(turn, error)
        self._pass_on()

    def finish(self) -> None:
        """Conclude what is left, after the last result."""
        self._pass_on()
        self._see_to_disk()

    def _chunks_of(self, turn: _Turn) -> Iterator[Chunk]:
        job, planned = turn.planned.job, turn.planned
        with open_audio(job.song, job.start_seconds, job.duration_seconds) as reader:
            if (reader.info, reader.n_samples) != (planned.info, planned.n_samples):
                raise AudioError(f"{printable(job.song)}: was changed while its turn was awaited; run it again")
            turn.song = Song(job, reader, self._separator)
            turn.undo.enter_context(turn.song.writing())
            for chunk in turn.song.chunks():
                if turn.fault:
                    return
                yield chunk

    def _pass_on(self) -> None:
        """Conclude the songs at the head that nothing is awaited of."""
        while self._turns and self._turns[0].all_handed and not self._turns[0].n_awaited:
            turn = self._turns.popleft()
            self._n_passed += turn.planned.n_samples
            try:
                if turn.song and not turn.fault:
                    turn.song.finish()
                    self._see_to_disk()
                    self._going_to_disk = turn, self._disk.submit(turn.song.commit, self.ready)
            except RtsepError as error:
                self._fail(turn, error)
            if turn.fault:
                turn.undo.close()

    def _see_to_disk(self) -> None:
        """Wait until the song before is on the disk."""
        if self._going_to_disk is None:
            return
        turn, task = self._going_to_disk
        try:
            self.runs[turn.planned.job] = task.result()
        except RtsepError as error:
            self._fail(turn, error)
        self._going_to_disk = None
        turn.undo.close()

    def _fail(self, turn: _Turn, error: RtsepError) -> None:
        turn.fault = str(error)
        self.faults[turn.planned.job] = turn.fault
        self._tell(turn.fault)
