"""Files that promise more than they hold: each is refused in one line, and no whole file is taken for one."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sound_files import assert_one_line, make_song, read_song, wav_bytes, write_song

from rtsep.errors import AudioError
from rtsep.io.audio_file import open_audio
from rtsep.io.stem_files import wav_header

PCM = bytes(range(1, 201)) * 20
LIST = b"LIST\x04\x00\x00\x00INFO"


@cache
def encoded(file_format: str, subtype: str | None = None, n_samples: int = 30000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, make_song(n_samples), 44100, subtype=subtype, format=file_format)
    return file.getvalue()


def assert_refused(path: Path, content: bytes, *parts: str) -> None:
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read_song(path)
    assert_one_line(caught.value, str(path), *parts)


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "AIFF", "FLAC", "OGG"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_cut_off_files_are_refused(tmp_path: Path, kind: str, kept: float) -> None:
    content = encoded(kind)
    path = tmp_path / "song"
    path.write_bytes(content)
    assert len(read_song(path)) == 30000
    assert_refused(path, content[: int(kept * len(content))])


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_every_single_missing_byte_is_noticed(tmp_path: Path, kind: str) -> None:
    """Cut by one byte at the end, and in the middle of the headers, wherever that is."""
    content = encoded(kind, n_samples=2000)
    for kept in [*range(1, 200, 7), len(content) - 1]:
        assert_refused(tmp_path / "song", content[:kept])


def test_cut_off_wav_says_what_is_missing(tmp_path: Path) -> None:
    content = wav_bytes(PCM)
    assert_refused(tmp_path / "song.wav", content[:-1000], "promises 4000 bytes of samples, it holds 3000")


def test_chunks_around_the_samples_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    whole = wav_bytes(PCM, tail=LIST * 3)
    early = whole.replace(b"data", b"odd \x03\x00\x00\x00abc\x00data", 1)
    for content in (whole, early, whole + b"not a chunk"):
        path.write_bytes(content)
        assert len(read_song(path)) == 2000
    assert_refused(path, early[: early.index(b"data") + 1008], "promises 4000 bytes of samples, it holds 1000")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
def test_headers_of_streams_end_with_the_file(tmp_path: Path, size: int) -> None:
    """Writers into a pipe cannot go back to the header: ffmpeg, sox and arecord leave such sizes in it."""
    path = tmp_path / "song.wav"
    path.write_bytes(wav_bytes(PCM, data_size=size, riff_size=min(size + 36, 0xFFFFFFFF)))
    expected = np.frombuffer(PCM, "<i2")[:, np.newaxis] / np.float32(32768)
    assert_array_equal(read_song(path), expected)


def test_recording_that_was_never_completed_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "song.wav", wav_bytes(PCM, data_size=0, riff_size=0), "never completed")


@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_wav_beyond_4_gib_is_read_and_its_cut_noticed(tmp_path: Path, n_channels: int) -> None:
    """A file with a hole: it takes no room on the disk, and reads as silence up to its last samples."""
    path = tmp_path / "long.wav"
    n_samples = (1 << 30) // n_channels + 12345
    header = wav_header(n_samples, 48000, n_channels)
    assert header[:4] == b"RF64"
    path.write_bytes(header)
    os.truncate(path, len(header) + 4 * n_channels * n_samples)
    with path.open("r+b") as file:
        file.seek(-4 * n_channels, os.SEEK_END)
        file.write(struct.pack("<f", 0.5) * n_channels)
    song = read_song(path, start_seconds=(n_samples - 10) / 48000)
    assert_array_equal(song, np.repeat([[0.0]] * 9 + [[0.5]], n_channels, axis=1))
    os.truncate(path, len(header) + 4 * n_channels * n_samples - 1)
    with pytest.raises(AudioError, match="is truncated"):
        open_audio(path)


@pytest.mark.parametrize("kind", ["FLAC", "OGG"])
def test_hole_in_the_middle_is_noticed(tmp_path: Path, kind: str) -> None:
    content = encoded(kind, n_samples=150000)
    middle = len(content) // 2
    assert_refused(tmp_path / "song", content[:middle] + content[middle + 9000 :], "s the file is")


def test_flac_that_does_not_know_its_length_is_counted(tmp_path: Path) -> None:
    """As an encoder leaves it that wrote into a pipe: the 36 bits of the length in STREAMINFO are 0."""
    content = bytearray(encoded("FLAC", "PCM_16"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "song.flac"
    path.write_bytes(content)
    song = np.round(make_song(30000) * 32768)
    assert np.abs(read_song(path, 1000) * 32768 - song).max() <= 1
    assert_array_equal(read_song(path, start_seconds=0.5), read_song(path)[22050:])
    assert_refused(path, bytes(content[: len(content) // 2]))


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3"])
def test_start_behind_the_damage_is_refused_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "song"
    content = encoded(kind, n_samples=150000)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError) as caught:
        read_song(path, start_seconds=3)
    assert_one_line(caught.value, str(path))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["WAV", "RF64", "AIFF", "FLAC", "OGG", "MP3"]), st.data())
def test_any_damage_leaves_a_song_or_one_line(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(kind, n_samples=3000))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content), data.draw(st.sampled_from([100, 10000]))) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song"
        path.write_bytes(content)
        try:
            read_song(path)
        except AudioError as error:
            assert_one_line(error, str(path))


def test_ogg_with_something_behind_it_is_whole(tmp_path: Path) -> None:
    path = write_song(tmp_path / "song.ogg", make_song(30000))
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert len(read_song(path)) == 30000
