"""mp3 files: decoded once and exactly, whether or not they tell their length, and without a word on stderr."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal
from sound_files import assert_one_line, make_song, read_song, write_song

from rtsep.errors import AudioError
from rtsep.io.audio_file import open_audio

N_SAMPLES = 400000
PICTURE = b"\xff\xe0\xff\xd8" * 20000  # as in a jpeg, some pairs of bytes look like the start of an MPEG frame
ID3 = b"ID3\x04\x00\x00" + bytes(len(PICTURE) >> shift & 0x7F for shift in (21, 14, 7, 0)) + PICTURE


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song whose bit rate follows its loudness."""
    path = tmp_path_factory.mktemp("mp3") / "song.mp3"
    return write_song(
        path, make_song(N_SAMPLES), subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5
    )


@pytest.fixture(scope="module")
def tagless(song: Path) -> bytes:
    """The same song without the frame that tells its length."""
    content = song.read_bytes()
    return content[content.index(content[:2], content.index(b"Xing")) :]


def test_blocks_do_not_make_it_stutter(song: Path) -> None:
    whole, _ = soundfile.read(song, dtype="float32")
    assert len(whole) == N_SAMPLES
    for block in (1152, 4096, 65536):
        assert_array_equal(read_song(song, block), whole)


def test_song_is_read_to_its_end_without_a_length(tmp_path: Path, song: Path, tagless: bytes) -> None:
    """libsndfile alone stops at a guess; only the tag tells how much of the ends is padding, so it may stay."""
    path = tmp_path / "song.mp3"
    path.write_bytes(tagless)
    assert soundfile.info(path).frames < 0.9 * N_SAMPLES
    whole, padded = read_song(song), read_song(path, 4096)
    assert 0 <= len(padded) - N_SAMPLES < 4 * 1152
    starts = range(len(padded) - N_SAMPLES + 1)
    start = min(starts, key=lambda start: np.abs(padded[start:][:3000] - whole[:3000]).max())
    assert np.abs(padded[start:][:N_SAMPLES] - whole).max() < 1e-6
    assert_array_equal(read_song(path, start_seconds=5, duration_seconds=1), padded[220500:264600])


@pytest.mark.parametrize("head", [b"", ID3], ids=["bare", "id3v2"])
@pytest.mark.parametrize("tail", [b"", b"TAG" + bytes(125), bytes(50000), b"APETAGEX" + bytes(2000)])
@pytest.mark.parametrize("tells_length", [True, False])
def test_tags_around_the_sound_do_not_matter(
    tmp_path: Path, song: Path, tagless: bytes, head: bytes, tail: bytes, tells_length: bool
) -> None:
    path = tmp_path / "song.mp3"
    content = song.read_bytes() if tells_length else tagless
    path.write_bytes(content)
    expected = read_song(path)
    path.write_bytes(head + content + tail)
    assert_array_equal(read_song(path), expected)


def test_truncated_song_that_tells_its_length_is_refused(tmp_path: Path, song: Path) -> None:
    content = song.read_bytes()
    path = tmp_path / "song.mp3"
    for kept in (0.2, 0.5, 0.95):
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(AudioError) as caught:
            read_song(path)
        assert_one_line(caught.value, str(path), "is truncated")


def test_a_few_missing_samples_are_silence(tmp_path: Path, song: Path) -> None:
    content = song.read_bytes()
    path = tmp_path / "song.mp3"
    path.write_bytes(content[:-300])
    for block in (100, 65536):
        read = read_song(path, block)
        assert len(read) == N_SAMPLES
        assert_array_equal(read[:-4608], read_song(song)[:-4608])
        assert not read[-100:].any()


@pytest.mark.parametrize("tells_length", [True, False])
def test_damage_inside_is_refused(tmp_path: Path, song: Path, tagless: bytes, tells_length: bool) -> None:
    content = (song.read_bytes() if tells_length else tagless) + bytes(200000)
    path = tmp_path / "song.mp3"
    path.write_bytes(content[:20000] + b"\x55" * 9000 + content[29000:])
    with pytest.raises(AudioError) as caught:
        read_song(path)
    assert_one_line(caught.value, str(path))


def test_nothing_is_printed_nor_left_running(
    tmp_path: Path, song: Path, tagless: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "song.mp3"
    whole = song.read_bytes()
    damaged = whole[:20000] + bytes(9000) + whole[29000:]
    n_open, n_threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for content in (whole[:30000], damaged, ID3 + bytes(5000), tagless, tagless + damaged, whole + whole):
        path.write_bytes(content)
        try:
            with open_audio(path) as reader:
                for _ in reader.blocks(1000):
                    pass
        except AudioError:
            pass
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (n_open, n_threads)
    os.write(2, b"still here")
    assert capfd.readouterr() == ("", "still here")
