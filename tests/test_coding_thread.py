"""Files coded on threads of their own: the same files, whatever goes wrong told, no thread left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from limits import room_for
from numpy.testing import assert_array_equal
from sound_files import assert_one_line, make_song, read_song

from rtsep.errors import OutputError
from rtsep.io.coding_thread import create_file_coded_beside
from rtsep.io.stem_files import create_stem_file
from rtsep.io.stem_writers import StemWriters
from rtsep.types import Stems

NAMES = ("bass", "drums", "vocals", "other")


def make_stems(n_samples: int, n_channels: int = 2) -> Stems:
    return np.stack([make_song(n_samples, n_channels, seed) for seed in range(len(NAMES))])


def beside(folder: Path, n_channels: int, kind: str, rate: int = 44100) -> StemWriters:
    return StemWriters(folder, NAMES, rate, n_channels, kind, create=create_file_coded_beside)


def write_in_blocks(folder: Path, stems: Stems, kind: str) -> None:
    with beside(folder, stems.shape[2], kind) as writers:
        for start in range(0, stems.shape[1], 5000):
            writers.write(stems[:, start : start + 5000])
        writers.commit()


@pytest.mark.parametrize("block", [1, 777, 20_000])
@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_files_are_those_of_one_thread(tmp_path: Path, kind: str, n_channels: int, block: int) -> None:
    stems = 9 * make_stems(1500 if block == 1 else 30_000, n_channels)
    counts = []
    for create in (create_stem_file, create_file_coded_beside):
        folder = tmp_path / create.__name__
        with StemWriters(folder, NAMES, 44100, n_channels, kind, create=create) as writers:
            for start in range(0, stems.shape[1], block):
                writers.write(stems[:, start : start + block])
            writers.commit()
            counts.append(writers.n_clipped)
    assert counts[0] == counts[1]
    assert any(counts[0].values()) == (kind != "wav")
    for name in NAMES:
        here, there = (tmp_path / c.__name__ / f"{name}.{kind}" for c in (create_stem_file, create_file_coded_beside))
        assert_array_equal(read_song(here), read_song(there))
        if kind != "ogg":  # each of which has a serial number of its own
            assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("kind", ["flac", "ogg"])
def test_full_disk_is_told_and_nothing_stays(tmp_path: Path, kind: str) -> None:
    stems = make_stems(400_000)
    n_threads = threading.active_count()
    with room_for(200_000), pytest.raises(OutputError) as caught:
        write_in_blocks(tmp_path / "stems", stems, kind)
    assert_one_line(caught.value, "cannot be written", "make room")
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == n_threads


@pytest.mark.parametrize("kind", ["flac", "ogg"])
def test_error_of_the_last_block_is_told_by_commit(tmp_path: Path, kind: str) -> None:
    with room_for(4096), beside(tmp_path / "stems", 2, kind) as writers:
        writers.write(make_stems(200_000))  # the first is due still when this returns
        with pytest.raises(OutputError):
            writers.commit()
    assert list(tmp_path.iterdir()) == []


def test_length_is_noted_after_what_is_due(tmp_path: Path) -> None:
    with beside(tmp_path / "stems", 2, "flac") as writers:
        for _ in range(4):
            writers.write(make_stems(50_000))
        writers.make_room(1000)
        writers.note_length()
        header = (writers.work / "bass.flac").read_bytes()[:26]
        assert int.from_bytes(header[22:26], "big") == 200_000 - 16384


def test_interrupt_leaves_neither_file_nor_thread(tmp_path: Path) -> None:
    n_threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        interrupt_writing(tmp_path / "stems", n_threads + len(NAMES))
    assert threading.active_count() == n_threads
    assert list(tmp_path.iterdir()) == []


def interrupt_writing(folder: Path, n_threads: int) -> None:
    with beside(folder, 2, "ogg") as writers:
        for _ in range(3):
            writers.write(make_stems(100_000))
        assert threading.active_count() == n_threads
        raise KeyboardInterrupt
