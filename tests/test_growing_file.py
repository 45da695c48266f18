"""Files whose room is taken before it is needed: what was written is kept whole where the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from limits import room_for
from sound_files import make_song, read_song

from rtsep.errors import OutputError
from rtsep.io.growing_file import GrowingFile
from rtsep.io.stem_writers import StemWriters

NAMES = ("bass", "vocals")
BLOCK = np.random.default_rng(3).uniform(-1, 1, (2, 5000, 2)).astype(np.float32)


@pytest.fixture
def _little_room() -> None:
    """No file may grow beyond 900 kB: the operating system refuses the rest, as a full disk does."""
    with room_for(900_000):
        yield


def write_until_it_is_full(writers: StemWriters) -> int:
    for n_blocks in range(100):
        try:
            writers.make_room(5000)
        except OutputError:
            return n_blocks
        writers.write(BLOCK)
    return 100


@pytest.mark.usefixtures("_little_room")
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_what_was_written_can_be_kept_where_the_disk_is_full(tmp_path: Path, kind: str) -> None:
    with StemWriters(tmp_path / "stems", NAMES, 44100, 2, kind) as writers:
        n_blocks = write_until_it_is_full(writers)
        writers.commit()
    assert 5 <= n_blocks < 100
    for path in (tmp_path / "stems").iterdir():
        read = read_song(path)
        assert len(read) == 5000 * n_blocks
        assert np.abs(read - np.tile(BLOCK[NAMES.index(path.stem)], (n_blocks, 1))).max() < (
            0.5 if kind == "ogg" else 1e-6
        )


def test_room_that_was_not_needed_is_given_back(tmp_path: Path) -> None:
    song = make_song(6000)
    for folder, room in (("once", 0), ("twice", 500_000)):
        with StemWriters(tmp_path / folder, NAMES, 44100, 2, "flac") as writers:
            writers.make_room(room)
            assert max(path.stat().st_size for path in tmp_path.rglob("*.flac")) > 4 * room
            writers.write(np.stack([song, song]))
            writers.commit()
    for name in NAMES:
        once, twice = (tmp_path / folder / f"{name}.flac" for folder in ("once", "twice"))
        assert once.read_bytes() == twice.read_bytes()


@pytest.mark.usefixtures("_little_room")
def test_a_write_that_fails_is_told_of_afterwards(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "file")
    file.make_room(1000)
    assert file.seek(0, os.SEEK_END) == 0
    assert file.write(bytes(899_999) + b"abc") == 900_002
    with pytest.raises(OSError, match="File too large"):
        file.check()
    assert file.seek(-2, os.SEEK_END) == 899_998
    assert file.read(100) == b"\0a"
    with pytest.raises(OSError, match="File too large"):
        file.close()
    file.close()
    assert (tmp_path / "file").stat().st_size == 900_000
