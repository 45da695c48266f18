"""Stems that whoever computes them writes to the files: to the bit what rank 0 writes in order, whatever happens."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from four_bands import SHAPE, FourBands, tukey_window
from limits import room_for
from sound_files import make_song, write_song

from rtsep.engine.direct import DirectWriter
from rtsep.engine.local import Computer, LocalEngine
from rtsep.errors import OutputError
from rtsep.file_job import FileJob, separate_file
from rtsep.types import Audio, Chunk, ChunkResult, Engine, Separator, Stems, Target

Compute = Callable[[Computer, list[Chunk]], Iterable[ChunkResult]]


class OneByOne:
    """Chunks of one slice, all of which overlaps others; each stem is a quarter of the mixture."""

    stems, sample_rate = FourBands.stems, FourBands.sample_rate
    shape = replace(SHAPE, slices=1)

    def separate(self, chunk: Audio) -> Stems:
        return np.stack([0.25 * chunk[SHAPE.context :] * tukey_window(SHAPE.hop, 256)[:, None]] * len(self.stems))


class Gathered:
    """An engine that has all chunks at hand before it begins with any: `compute` gives their results, in any order."""

    def __init__(self, separator: Separator, compute: Compute) -> None:
        self._computer = Computer(separator)
        self._compute = compute

    def run(self, chunks: Iterable[Chunk | None]) -> Iterator[ChunkResult]:
        yield from sorted(self._compute(self._computer, [c for c in chunks if c]), key=lambda result: result.index)
        self._computer.close()


def in_order(computer: Computer, chunks: list[Chunk]) -> list[ChunkResult]:
    return [computer.compute(chunk) for chunk in chunks]


def whole(computer: Computer, chunks: list[Chunk]) -> list[ChunkResult]:
    """As from ranks on other hosts, and as for formats that are not written in parts."""
    return in_order(computer, [replace(chunk, target=None) for chunk in chunks])


def by_halves(computer: Computer, chunks: list[Chunk]) -> list[ChunkResult]:
    """Two of three on this host."""
    return in_order(computer, [replace(c, target=c.target if c.index % 3 else None) for c in chunks])


def twice_at_random(computer: Computer, chunks: list[Chunk]) -> list[ChunkResult]:
    """Each twice, in any order, as where a rank was taken for dead and another has done its part meanwhile."""
    order = 2 * chunks
    random.Random(5).shuffle(order)
    return list({result.index: result for result in in_order(computer, order)}.values())


def files_of(job: FileJob, compute: Compute | None) -> dict[str, bytes]:
    """What the job writes; in one process, chunk by chunk, if `compute` is not given."""

    def start(separator: Separator, n_channels: int) -> Engine:
        return Gathered(separator, compute) if compute else LocalEngine(separator)

    separate_file(job, FourBands, start, lambda done, total: None)
    return {path.name: path.read_bytes() for path in job.folder.iterdir()}


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("n_samples", [1, 511, 512, 513, 1535, 1536, 2048, 2049, 30_001])
def test_whoever_writes_them_the_files_are_the_same(tmp_path: Path, n_samples: int, n_channels: int) -> None:
    song = write_song(tmp_path / "song.wav", make_song(n_samples, n_channels), subtype="FLOAT")
    computes = (whole, None, in_order, by_halves, twice_at_random)
    files = [files_of(FileJob(song, tmp_path / str(k)), compute) for k, compute in enumerate(computes)]
    assert set(files[0]) == {"bass.wav", "drums.wav", "vocals.wav", "other.wav"}
    assert files[1:] == files[:1] * 4


@pytest.mark.parametrize("stems", [("bass",), ("other",), ("vocals", "other")])
def test_stems_that_are_not_wanted_are_not_written(tmp_path: Path, stems: tuple[str, ...]) -> None:
    song = write_song(tmp_path / "song.wav", make_song(20_000), subtype="FLOAT")
    all_of_them = files_of(FileJob(song, tmp_path / "all"), whole)
    some = files_of(FileJob(song, tmp_path / "some", stems=stems), twice_at_random)
    assert some == {f"{stem}.wav": all_of_them[f"{stem}.wav"] for stem in stems}


def results_of(job: FileJob, separator: Separator) -> list[ChunkResult]:
    results: list[ChunkResult] = []

    def compute(computer: Computer, chunks: list[Chunk]) -> list[ChunkResult]:
        results.extend(in_order(computer, chunks))
        return results

    separate_file(job, lambda: separator, lambda *_: Gathered(separator, compute), lambda done, total: None)
    return results


def test_results_of_written_chunks_hold_the_overlaps_alone(tmp_path: Path) -> None:
    results = results_of(FileJob(write_song(tmp_path / "song.wav", make_song(20_000))), FourBands())
    assert all(result.is_written for result in results)
    assert {result.stems.shape for result in results} == {(4, 2 * SHAPE.overlap, 2)}


@pytest.mark.parametrize(
    ("rate", "audio_format", "separator"),
    [(48000, "wav", FourBands()), (44100, "flac", FourBands()), (44100, "wav", OneByOne())],
)
def test_what_is_resampled_coded_or_all_overlap_comes_whole(
    tmp_path: Path, rate: int, audio_format: str, separator: Separator
) -> None:
    song = write_song(tmp_path / "song.wav", make_song(20_000), rate)
    results = results_of(FileJob(song, audio_format=audio_format), separator)
    assert results
    assert not any(result.is_written for result in results)
    assert {result.stems.shape for result in results} == {(4, separator.shape.output_length, 2)}


def test_where_files_cannot_be_seen_or_have_no_room_the_chunk_comes_whole(tmp_path: Path) -> None:
    separator = FourBands()
    writer = DirectWriter(separator)
    samples = make_song(SHAPE.input_length)
    stems = separator.separate(samples)
    frame = 8
    target = Target(str(tmp_path), 0, frame * SHAPE.output_length)
    assert writer.write(Chunk(0, samples), stems) is None
    assert writer.write(Chunk(0, samples, replace(target, folder=str(tmp_path / "elsewhere"))), stems) is None
    assert writer.write(Chunk(0, samples, target), stems) is None  # the folder is empty
    (tmp_path / "drums.wav").touch()
    with room_for(frame * SHAPE.overlap + 100):
        assert writer.write(Chunk(0, samples, target), stems) is None
    assert writer.write(Chunk(0, samples, target), stems) is not None
    writer.close()
    assert (tmp_path / "drums.wav").stat().st_size == frame * SHAPE.advance
    assert [path.name for path in tmp_path.iterdir()] == ["drums.wav"]


def test_a_disk_that_is_full_is_told_and_nothing_stays(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", make_song(100_000))
    with room_for(150_000), pytest.raises(OutputError, match="cannot be written"):
        files_of(FileJob(song), in_order)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_a_song_after_another_goes_to_its_own_files(tmp_path: Path) -> None:
    """One writer serves many songs, as in an album, and keeps the files of the last one alone."""
    separator = FourBands()
    writer = DirectWriter(separator)
    for name in ("a", "b", "a"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "bass.wav").write_bytes(b"")
        samples = make_song(SHAPE.input_length)
        target = Target(str(folder), 0, 8 * SHAPE.output_length)
        assert writer.write(Chunk(0, samples, target), separator.separate(samples)) is not None
        assert len((folder / "bass.wav").read_bytes()) == 8 * SHAPE.advance
    writer.close()
