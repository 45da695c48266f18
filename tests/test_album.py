"""Many songs in one go: the bits of single runs, songs that are done are kept, bad ones do not stop the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from four_bands import FourBands
from sound_files import make_song, write_song

from rtsep.album.plan import album_jobs, jobs_of_part, parse_part
from rtsep.album.report import album_tables, make_album_report
from rtsep.album.run import AlbumRun, separate_album
from rtsep.engine.local import LocalEngine, compute
from rtsep.engine.process import RankRecord
from rtsep.errors import AudioError, OptionError
from rtsep.file_job import FileJob, separate_file
from rtsep.types import Chunk, ChunkResult, Engine, Separator

SONGS = {
    "a.wav": (30000, 2, 44100),
    "b.wav": (20000, 1, 48000),
    "cd2/a.wav": (300, 2, 44100),
    "d.flac": (9000, 3, 22050),
}


class Ahead:
    """An engine that holds many chunks before the first result comes back, as ranks do; it looks at their numbers."""

    def __init__(self, separator: Separator, n_held: int = 20) -> None:
        self._separator = separator
        self._n_held = n_held
        self.n_chunks = 0

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkResult]:
        held: deque[Chunk] = deque()
        for chunk in chunks:
            assert chunk.index == self.n_chunks
            self.n_chunks += 1
            held.append(chunk)
            if len(held) > self._n_held:
                yield compute(self._separator, held.popleft())
        yield from (compute(self._separator, chunk) for chunk in held)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "cd2").mkdir(parents=True)
    for name, (n_samples, n_channels, rate) in SONGS.items():
        write_song(folder / name, make_song(n_samples, n_channels), rate)
    return folder


def start_local(separator: Separator, n_channels: int) -> Engine:
    return LocalEngine(separator)


def start_ahead(separator: Separator, n_channels: int) -> Engine:
    return Ahead(separator)


def start_never(separator: Separator, n_channels: int) -> Engine:
    raise AssertionError("the engine was started")


def separate(album: Path, start=start_ahead, told: list[str] | None = None, **options: object) -> AlbumRun:
    jobs = album_jobs(FileJob(album, album.parent / "out", **options))
    tell = [].append if told is None else told.append
    return separate_album(jobs, FourBands, start, lambda done, total: None, tell)


def status(run: AlbumRun, album: Path) -> dict[str, str]:
    report = make_album_report(run, album, "four", "stft", "cd", {0: RankRecord(0)})
    return {line.song: line.status for line in report.songs}


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files_of_single_runs(album: Path, songs: Iterable[str]) -> dict[str, bytes]:
    out = album.parent / "single"
    for song in songs:
        job = FileJob(album / song, out / Path(song).parent)
        separate_file(job, FourBands, start_local, lambda done, total: None)
    return all_files(out)


@pytest.mark.parametrize("start", [start_local, start_ahead])
def test_stems_have_the_bits_of_single_runs(album: Path, start) -> None:
    run = separate(album, start)
    assert status(run, album) == dict.fromkeys(SONGS, "separated")
    assert all_files(album.parent / "out") == files_of_single_runs(album, SONGS)


def test_the_engine_is_started_once_for_the_most_channels(album: Path) -> None:
    started = []

    def start(separator: Separator, n_channels: int) -> Engine:
        started.append(n_channels)
        return LocalEngine(separator)

    separate(album, start)
    assert started == [3]


def test_the_next_song_is_begun_while_the_last_is_awaited(album: Path) -> None:
    """An engine that gives nothing back until it holds all chunks gets all of them."""
    engine = Ahead(FourBands(), n_held=1000)
    run = separate(album, lambda separator, n_channels: engine)
    assert engine.n_chunks == sum(len(done.computed) for done in run.runs.values()) > 30


def test_songs_that_are_done_are_kept_and_half_written_ones_done_again(album: Path) -> None:
    separate(album)
    out = album.parent / "out"
    whole = all_files(out)
    assert status(separate(album, start_never), album) == dict.fromkeys(SONGS, "kept")
    (out / "a.stems" / "bass.wav").unlink()
    cut = out / "b.stems" / "other.wav"
    cut.write_bytes(cut.read_bytes()[:5000])
    (out / "d.stems" / "vocals.wav").write_bytes((out / "cd2" / "a.stems" / "vocals.wav").read_bytes())
    again = separate(album)
    assert status(again, album) == dict.fromkeys(SONGS, "separated") | {"cd2/a.wav": "kept"}
    assert all_files(out) == whole
    assert status(separate(album, overwrite=True), album) == dict.fromkeys(SONGS, "separated")


@pytest.mark.parametrize("audio_format", ["flac", "ogg"])
def test_stems_in_other_formats_are_known_again(album: Path, audio_format: str) -> None:
    separate(album, audio_format=audio_format)
    assert set(status(separate(album, start_never, audio_format=audio_format), album).values()) == {"kept"}
    cut = album.parent / "out" / "a.stems" / f"bass.{audio_format}"
    cut.write_bytes(cut.read_bytes()[:-500])
    assert status(separate(album, audio_format=audio_format), album)["a.wav"] == "separated"


def test_a_song_without_all_stems_asked_for_is_not_done(album: Path) -> None:
    separate(album, stems=("vocals",))
    assert set(status(separate(album, stems=("vocals",), start=start_never), album).values()) == {"kept"}
    assert set(status(separate(album), album).values()) == {"separated"}


@pytest.mark.parametrize("start", [start_local, start_ahead])
def test_bad_songs_are_told_of_and_the_rest_go_on(album: Path, start) -> None:
    samples = make_song(50_000)
    samples[40_000] = np.nan
    write_song(album / "ab.wav", samples, subtype="FLOAT")
    write_song(album / "a.flac", make_song(500))
    (album / "c.mp3").write_text("no music")
    (album / "late.wav").symlink_to("missing.wav")
    (album.parent / "out").mkdir()
    (album.parent / "out" / "d.stems").write_text("a file where stems would go")
    told: list[str] = []
    run = separate(album, start, told)
    bad = {"a.wav": "a.flac", "ab.wav": "NaN", "c.mp3": "read", "late.wav": "late.wav", "d.flac": "is a file"}
    good = {"a.flac", "b.wav", "cd2/a.wav"}
    assert status(run, album) == dict.fromkeys(bad, "failed") | dict.fromkeys(good, "separated")
    assert len(told) == len(bad)
    for word in bad.values():
        assert any(word in line for line in told), word
    files = all_files(album.parent / "out")
    assert files.pop("d.stems") == b"a file where stems would go"
    assert files == files_of_single_runs(album, good)
    assert set((album.parent / "out").iterdir()) == {
        album.parent / "out" / n for n in ("a.stems", "b.stems", "cd2", "d.stems")
    }


def test_what_is_wrong_with_all_songs_is_raised(album: Path) -> None:
    with pytest.raises(OptionError, match="flute"):
        separate(album, start_never, stems=("flute",))
    assert not (album.parent / "out").exists()


def test_an_interruption_leaves_whole_songs_alone(album: Path) -> None:
    jobs = album_jobs(FileJob(album, album.parent / "out"))

    def interrupt(done: int, total: int) -> None:
        if done > 45_000:  # amid the second song
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separate_album(jobs, FourBands, start_ahead, interrupt, print)
    assert [path.name for path in (album.parent / "out").iterdir()] == ["a.stems"]
    assert status(separate(album), album) == dict.fromkeys(SONGS, "separated") | {"a.wav": "kept"}
    assert all_files(album.parent / "out") == files_of_single_runs(album, SONGS)


def test_progress_grows_to_the_whole(album: Path) -> None:
    told: list[tuple[int, int]] = []
    separate_album(
        album_jobs(FileJob(album, album.parent / "out")), FourBands, start_ahead, lambda *n: told.append(n), print
    )
    whole = sum(n_samples for n_samples, _, _ in SONGS.values())
    assert told == sorted(told)
    assert told[-1] == (whole, whole)


def test_the_report_adds_up(album: Path) -> None:
    (album / "c.mp3").write_text("no music")
    report = make_album_report(separate(album), album, "four", "stft", "cd", {0: RankRecord(1000)})
    assert report.status == {"separated": 4, "failed": 1}
    assert report.audio_seconds == pytest.approx(sum(n / rate for n, _, rate in SONGS.values()))
    assert report.shares[0].chunks == sum(line.chunks for line in report.songs)
    assert sum(line.busy_seconds for line in report.songs) == pytest.approx(report.shares[0].busy_seconds)
    assert report.rtf == pytest.approx(report.wall_seconds / report.audio_seconds)
    assert len(album_tables(report)) == 3


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_parts_share_out_the_songs_and_keep_those_of_one_folder_together(album: Path, of: int) -> None:
    write_song(album / "a.flac", make_song(10))
    jobs = album_jobs(FileJob(album))
    parts = [jobs_of_part(jobs, parse_part(f"{which}/{of}")) for which in range(1, of + 1)]
    assert sorted(job.song for part in parts for job in part) == sorted(job.song for job in jobs)
    folders = [{job.folder for job in part} for part in parts]
    assert sum(map(len, folders)) == len({job.folder for job in jobs})
    assert max(map(len, folders)) - min(map(len, folders)) <= 1


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "-1/2", "1/", "a/b", "1.5/2"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="3/8"):
        parse_part(text)


def test_a_part_without_songs_is_done_at_once(album: Path) -> None:
    run = separate_album([], FourBands, start_never, lambda done, total: None, print)
    assert make_album_report(run, album, "four", "stft", "cd", {0: RankRecord(0)}).songs == ()


def names(jobs: Sequence[FileJob], album: Path) -> dict[str, Path]:
    return {str(job.song.relative_to(album)): job.folder for job in jobs}


def test_songs_are_found_below_the_folder_but_not_stems_of_others(album: Path) -> None:
    write_song(album / "LOUD.WAV", make_song(10))
    for folder in (".hidden", "a.stems"):
        (album / folder).mkdir()
        write_song(album / folder / "bass.wav", make_song(10))
    (album / "cover.jpg").touch()
    out = album.parent / "out"
    assert names(album_jobs(FileJob(album, out)), album) == {
        "LOUD.WAV": out / "LOUD.stems",
        "a.wav": out / "a.stems",
        "b.wav": out / "b.stems",
        "cd2/a.wav": out / "cd2" / "a.stems",
        "d.flac": out / "d.stems",
    }
    assert names(album_jobs(FileJob(album)), album)["cd2/a.wav"] == album / "cd2" / "a.stems"
    (album / "empty").mkdir()
    (album / "empty" / "up").symlink_to("..")
    (album / "linked").symlink_to("../more/disc")
    (album.parent / "more" / "disc").mkdir(parents=True)
    write_song(album.parent / "more" / "disc" / "e.wav", make_song(10))
    assert names(album_jobs(FileJob(album, out)), album)["linked/e.wav"] == out / "linked" / "e.stems"
    assert len(album_jobs(FileJob(album))) == 6
    (album / "empty" / "up").unlink()
    with pytest.raises(AudioError, match="no song"):
        album_jobs(FileJob(album / "empty"))
