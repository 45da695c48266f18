"""Reading sound files: what comes in is what the file holds, and what cannot be used is refused in one line."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal
from sound_files import assert_one_line, make_song, read_song, wav_bytes, write_song
from unprivileged import common_folder, without_privileges

from rtsep.errors import AudioError
from rtsep.io.audio_file import open_audio
from rtsep.io.stem_files import wav_header

KINDS = [
    ("wav", "PCM_U8", 44100, 2),
    ("wav", "PCM_16", 8000, 1),
    ("wav", "PCM_24", 96000, 3),
    ("wav", "FLOAT", 192000, 8),
    ("wav", "DOUBLE", 48000, 2),
    ("aiff", "PCM_16", 44100, 2),
    ("flac", "PCM_16", 44100, 2),
    ("flac", "PCM_24", 192000, 8),
    ("ogg", "VORBIS", 22050, 2),
    ("mp3", "MPEG_LAYER_III", 44100, 2),
]


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_song(tmp_path / "song.wav", make_song(3000), 8000)


@pytest.mark.parametrize(("ending", "subtype", "rate", "n_channels"), KINDS)
def test_blocks_hold_what_the_file_holds(tmp_path: Path, ending: str, subtype: str, rate: int, n_channels: int) -> None:
    song = make_song(20001, n_channels)
    path = write_song(tmp_path / f"song.{ending}", song, rate, subtype)
    with open_audio(path) as reader:
        info = reader.info
    assert (info.path, info.sample_rate, info.n_channels, info.n_samples) == (path, rate, n_channels, len(song))
    assert info.format == ending.upper()
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    for block in (997, 65536):
        assert_array_equal(read_song(path, block), whole)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_single_sample_is_a_song(tmp_path: Path, ending: str) -> None:
    path = write_song(tmp_path / f"song.{ending}", make_song(1))
    assert read_song(path).shape == (1, 2)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_stretch_is_cut_to_the_sample(tmp_path: Path, kind: str) -> None:
    path = write_song(tmp_path / f"song.{kind}", make_song(60000), 16000)
    whole = read_song(path)
    for start, n in [(0, 1), (1, 1000), (12345, 20000), (59999, 1)]:
        stretch = read_song(path, 777, start_seconds=start / 16000, duration_seconds=n / 16000)
        assert_array_equal(stretch, whole[start : start + n])
    assert_array_equal(read_song(path, start_seconds=3), whole[48000:])
    assert_array_equal(read_song(path, start_seconds=3, duration_seconds=999), whole[48000:])


@pytest.mark.parametrize(
    ("stretch", "part"),
    [
        ({"start_seconds": -0.1}, "start -0.1 s"),
        ({"start_seconds": 0.375}, "song.wav is 0.375 s long"),
        ({"start_seconds": float("nan")}, "start nan s"),
        ({"duration_seconds": 0.0}, "duration 0 s"),
        ({"duration_seconds": -2.0}, "duration -2 s"),
        ({"duration_seconds": float("inf")}, "duration inf s"),
    ],
)
def test_stretches_outside_the_song_are_refused(wav: Path, stretch: dict[str, float], part: str) -> None:
    with pytest.raises(AudioError) as caught:
        open_audio(wav, **stretch)
    assert_one_line(caught.value, part)


@pytest.mark.parametrize("name", ["text.wav", "text.mp3", "text.flac", "text.ogg", "text.raw", "text"])
def test_text_is_no_sound_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("These are words, not sound. " * 500)
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    assert_one_line(caught.value, str(path), "cannot be read")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    empty, pipe = tmp_path / "empty.wav", tmp_path / "pipe.wav"
    empty.touch()
    os.mkfifo(pipe)
    no_such_file = tmp_path / "missing.wav"
    cases = [(no_such_file, "No such file"), (tmp_path, "is a folder"), (empty, "is empty"), (pipe, "regular file")]
    for path, part in cases:
        with pytest.raises(AudioError) as caught:
            open_audio(path)
        assert_one_line(caught.value, str(path), part)


def test_file_without_permission_is_refused() -> None:
    with common_folder() as folder:
        wav = write_song(folder / "song.wav", make_song(10))
        with without_privileges():
            assert len(read_song(wav)) == 10
        wav.chmod(0)
        with without_privileges(), pytest.raises(AudioError) as caught:
            open_audio(wav)
    assert_one_line(caught.value, "Permission denied")


@pytest.mark.parametrize(
    ("rate", "n_channels", "part"),
    [(7999, 1, "7999 Hz"), (192001, 1, "192001 Hz"), (44100, 9, "9 channels")],
)
def test_rates_and_channels_out_of_range_are_refused(tmp_path: Path, rate: int, n_channels: int, part: str) -> None:
    path = write_song(tmp_path / "song.wav", make_song(10, n_channels), rate)
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    assert_one_line(caught.value, part)


@pytest.mark.parametrize("tail", [b"", b"LIST\x04\x00\x00\x00INFO"])
def test_zero_length_audio_is_refused(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(wav_bytes(b"", tail=tail))
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    assert_one_line(caught.value, "0 samples")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_finite_are_refused_where_they_are(tmp_path: Path, bad: float) -> None:
    song = make_song(4000).astype(np.float64)
    song[2500, 1] = bad
    path = write_song(tmp_path / "song.wav", song, 8000, "DOUBLE")
    with open_audio(path, start_seconds=0.125) as reader:
        blocks = reader.blocks(1000)
        assert len(next(blocks)) == 1000
        with pytest.raises(AudioError) as caught:
            next(blocks)
    assert_one_line(caught.value, "at 0.312 s", "NaN or infinite")
    assert len(read_song(path, duration_seconds=0.3125)) == 2500


@pytest.mark.parametrize("name", [b"two\nlines.wav", b"latin-1 \xe9.wav"])
def test_names_that_cannot_be_printed_are_escaped(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.touch()
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    assert_one_line(caught.value, "is empty")
    str(caught.value).encode("utf-8")
    path.write_bytes(wav_bytes(b"\1\2" * 50))
    assert len(read_song(path)) == 50


def test_an_hour_takes_no_more_memory_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    n_samples = 3600 * 8000
    path.write_bytes(wav_header(n_samples, 8000, 1))
    os.truncate(path, len(wav_header(n_samples, 8000, 1)) + 4 * n_samples)
    tracemalloc.start()
    with open_audio(path) as reader:
        assert sum(map(len, reader.blocks())) == n_samples
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_no_file_stays_open(wav: Path) -> None:
    def n_open() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = n_open()
    read_song(wav)
    with pytest.raises(AudioError):
        open_audio(wav, start_seconds=99)
    wav.write_text("words")
    with pytest.raises(AudioError):
        open_audio(wav)
    assert n_open() == before
