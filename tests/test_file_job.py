"""The file job on a small true separator: exact lengths, stems that add up, constant memory, all or nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from contracts import cut
from four_bands import SHAPE, FourBands
from small_model import LOW_DELAY, write_small_model
from sound_files import make_song, read_song, write_song

from rtsep.engine.local import LocalEngine
from rtsep.errors import AudioError, OptionError, OutputError, RtsepError
from rtsep.file_job import FileJob, FileRun, separate_file
from rtsep.separator import load_separator
from rtsep.stem_stream import StemStream
from rtsep.types import STEMS, Audio, Engine, Separator, Stems


def start_local(separator: Separator, n_channels: int) -> Engine:
    return LocalEngine(separator)


def start_never(separator: Separator, n_channels: int) -> Engine:
    raise AssertionError("the engine was started")


def separate(job: FileJob, start=start_local) -> FileRun:
    return separate_file(job, FourBands, start, lambda done, total: None)


def read_stems(job: FileJob) -> dict[str, Audio]:
    return {path.stem: read_song(path) for path in job.folder.iterdir()}


def by_hand(song: Audio) -> Stems:
    """The stems of a song at the model's rate, slice by slice with the whole song at hand, in float64 sums."""
    hop, length, context = SHAPE.hop, SHAPE.slice_length, SHAPE.context
    before = SHAPE.lead + context
    padded = np.concatenate(
        [np.zeros((before, song.shape[1])), song, np.zeros((2 * SHAPE.input_length, song.shape[1]))]
    )
    stems = np.zeros((len(STEMS), len(padded), song.shape[1]))
    for start in range(0, len(song) + SHAPE.lead, SHAPE.advance):
        chunk = padded[start : start + SHAPE.input_length].astype(np.float32)
        chunk[context + (SHAPE.slices - 1) * hop + SHAPE.latency :] = 0
        stems[:, start + context :][:, : SHAPE.output_length] += FourBands().separate(chunk)
    assert length - hop == SHAPE.lead
    return stems[:, before : before + len(song)]


def test_stems_are_those_computed_by_hand(tmp_path: Path) -> None:
    song = make_song(44100)
    job = FileJob(write_song(tmp_path / "song.wav", song, subtype="FLOAT"))
    separate(job)
    wanted = by_hand(song)
    for stem, samples in read_stems(job).items():
        np.testing.assert_allclose(samples, wanted[STEMS.index(stem)], atol=2e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 192000])
@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_stems_are_as_long_as_the_song_and_add_up_to_it(tmp_path: Path, rate: int, n_channels: int) -> None:
    song = make_song(rate // 3 + 7, n_channels)
    job = FileJob(write_song(tmp_path / "song.wav", song, rate, subtype="FLOAT"))
    run = separate(job)
    stems = read_stems(job)
    assert set(stems) == set(STEMS)
    assert {samples.shape for samples in stems.values()} == {song.shape}
    assert run.n_samples == len(song)
    assert (run.resampling_seconds > 0) == (rate != 44100)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 2, 511, 512, 513, 4096])
@pytest.mark.parametrize("rate", [44100, 44000])
def test_the_shortest_songs_come_out_whole(tmp_path: Path, n_samples: int, rate: int) -> None:
    song = np.full((n_samples, 1), 0.5, np.float32)
    job = FileJob(write_song(tmp_path / "song.wav", song, rate, subtype="FLOAT"))
    separate(job)
    np.testing.assert_allclose(sum(read_stems(job).values()), song, atol=1e-6)


@pytest.mark.parametrize("gain", [0.01, 10.0])
def test_level_goes_through(gain: float) -> None:
    song = make_song(30000)
    loud, plain = run_stream(gain * song, 48000), run_stream(song, 48000)
    np.testing.assert_allclose(loud, gain * plain, atol=2e-6 * gain)


def run_stream(
    song: Audio, rate: int, sizes: tuple[int, ...] = (1 << 20,), separator: Separator | None = None
) -> Stems:
    separator = separator or FourBands()
    stream = StemStream(separator, rate, song.shape[1])
    return np.concatenate(list(stream.run(LocalEngine(separator), cut(song, sizes))), axis=1)


@pytest.mark.parametrize("sizes", [(1, 0, 700), (64,), (5000, 3)])
def test_blocks_of_any_size_give_the_same_bits(sizes: tuple[int, ...]) -> None:
    song = make_song(20000)
    np.testing.assert_array_equal(run_stream(song, 32000, sizes), run_stream(song, 32000))


def test_a_low_delay_model_does_the_job_and_blocks_change_no_bit(tmp_path: Path) -> None:
    separator = load_separator(str(write_small_model(tmp_path / "low-delay.safetensors", spec=LOW_DELAY)))
    assert separator.shape.latency / separator.sample_rate <= 0.012
    song = make_song(100_001)
    job = FileJob(write_song(tmp_path / "song.wav", song, subtype="FLOAT"))
    separate_file(job, lambda: separator, start_local, lambda done, total: None)
    stems = np.stack([read_stems(job)[stem] for stem in STEMS])
    np.testing.assert_allclose(stems.sum(axis=0), song, atol=1e-6)
    for sizes in ((701, 0, 3), (4096,)):
        np.testing.assert_array_equal(run_stream(song, 44100, sizes, separator), stems)


class Nameless(FourBands):
    stems = ("low", "mid", "high", "top")


def test_without_a_stem_other_nothing_takes_the_residual() -> None:
    song = make_song(20000)
    plain, kept = run_stream(song, 8000, separator=Nameless()), run_stream(song, 8000)
    np.testing.assert_array_equal(plain[:3], kept[:3])
    # Going there and back through the resampler is not exact: the residual is what makes it so.
    assert np.abs(plain.sum(axis=0) - song).max() > 1e-4
    np.testing.assert_allclose(kept.sum(axis=0), song, atol=1e-6)


def test_some_stems_are_the_same_as_among_all(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", make_song(30000), 22050, subtype="FLOAT")
    whole, some = FileJob(song), FileJob(song, out=tmp_path / "some", stems=("other", "bass"))
    separate(whole)
    run = separate(some)
    assert run.stems == ("bass", "other")
    assert set(read_stems(some)) == {"bass", "other"}
    for stem, samples in read_stems(some).items():
        np.testing.assert_array_equal(samples, read_stems(whole)[stem])


def test_a_stretch_is_separated_as_if_it_were_the_song(tmp_path: Path) -> None:
    song = make_song(48000)
    stretch = FileJob(
        write_song(tmp_path / "song.wav", song, 48000, subtype="FLOAT"), start_seconds=0.25, duration_seconds=0.5
    )
    alone = FileJob(write_song(tmp_path / "part.wav", song[12000:36000], 48000, subtype="FLOAT"))
    separate(stretch)
    separate(alone)
    for stem, samples in read_stems(stretch).items():
        np.testing.assert_array_equal(samples, read_stems(alone)[stem])


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    job = FileJob(write_song(tmp_path / "song.wav", make_song(30000)))
    told: list[tuple[int, int]] = []
    separate_file(job, FourBands, start_local, lambda done, total: told.append((done, total)))
    assert [total for _, total in told] == [30000] * len(told)
    assert sorted(told) == told
    assert told[-1] == (30000, 30000)


def test_a_flac_that_clips_says_how_much(tmp_path: Path) -> None:
    loud = 3 * make_song(30000)
    job = FileJob(write_song(tmp_path / "song.wav", loud, subtype="FLOAT"), audio_format="flac")
    run = separate(job)
    assert sum(run.n_clipped.values()) > 0
    assert all(np.abs(samples).max() <= 1 for samples in read_stems(job).values())


def test_memory_does_not_grow_with_the_song() -> None:
    def peak(seconds: int) -> int:
        separator = FourBands()
        block = make_song(48000)
        stream = StemStream(separator, 48000, 2)
        tracemalloc.start()
        for _ in stream.run(LocalEngine(separator), (block for _ in range(seconds))):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20) < 1.05 * peak(4)


def assert_nothing_left(folder: Path, *but: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(but)


@pytest.mark.parametrize("at", [0, 100_000])
def test_damage_inside_the_song_leaves_nothing(tmp_path: Path, at: int) -> None:
    song = make_song(150_000)
    song[at, 1] = np.nan
    job = FileJob(write_song(tmp_path / "song.wav", song, subtype="FLOAT"))
    with pytest.raises(AudioError, match="NaN"):
        separate(job)
    assert_nothing_left(tmp_path, "song.wav")


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    job = FileJob(write_song(tmp_path / "song.wav", make_song(150_000)), out=tmp_path / "new" / "out")

    def interrupt(done: int, total: int) -> None:
        if done > 50_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separate_file(job, FourBands, start_local, interrupt)
    assert_nothing_left(tmp_path, "song.wav")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"song": Path("missing.wav")}, AudioError),
        ({"stems": ("bass", "flute")}, OptionError),
        ({"audio_format": "mp3"}, OutputError),
        ({"start_seconds": 99.0}, AudioError),
        ({"out": Path("song.wav")}, OutputError),
    ],
)
def test_what_is_wrong_is_found_before_the_engine_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], error: type[RtsepError]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_song(Path("song.wav"), make_song(1000))
    with pytest.raises(error):
        separate(FileJob(**({"song": Path("song.wav")} | change)), start_never)
    assert_nothing_left(tmp_path, "song.wav")


def test_stems_that_are_there_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", make_song(30000))
    job = FileJob(song)
    job.folder.mkdir()
    soundfile.write(job.folder / "vocals.wav", np.zeros(10), 8000)
    with pytest.raises(OutputError, match="overwrite"):
        separate(job, start_never)
    assert len(read_song(job.folder / "vocals.wav")) == 10
    separate(FileJob(song, overwrite=True))
    assert len(read_song(job.folder / "vocals.wav")) == 30000
