"""Writing stems: exact, in every format and rate, all of them or none, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
from limits import room_for
from numpy.testing import assert_array_equal
from sound_files import assert_one_line, make_song, read_song
from unprivileged import common_folder, without_privileges

from rtsep.errors import OutputError
from rtsep.io.stem_files import wav_header
from rtsep.io.stem_writers import StemWriters, _move_all
from rtsep.types import Stems

NAMES = ("bass", "vocals")
FORMATS = ("wav", "flac", "ogg")


def make_stems(n_samples: int, n_channels: int = 2) -> Stems:
    return np.stack([make_song(n_samples, n_channels, seed) for seed in range(len(NAMES))])


def write_stems(
    folder: Path, stems: Stems, rate: int = 44100, kind: str = "wav", overwrite: bool = False
) -> dict[str, int]:
    """The whole life of the writers; returns what was clipped."""
    with StemWriters(folder, NAMES, rate, stems.shape[2], kind, overwrite) as writers:
        for start in range(0, stems.shape[1], 5000):
            writers.write(stems[:, start : start + 5000])
        writers.commit()
        return writers.n_clipped


def all_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 50001, 192000])
@pytest.mark.parametrize(("kind", "error"), [("wav", 0.0), ("flac", 2**-23), ("ogg", 0.03)])
def test_stems_come_back_as_they_were(tmp_path: Path, kind: str, error: float, rate: int, n_channels: int) -> None:
    periods = np.linspace(40, 90, len(NAMES) * n_channels).reshape(len(NAMES), 1, n_channels)
    stems = (0.4 * np.sin(2 * np.pi * np.arange(12345)[:, np.newaxis] / periods)).astype(np.float32)
    write_stems(tmp_path / "stems", stems, rate, kind)
    assert all_below(tmp_path) == {"stems", f"stems/bass.{kind}", f"stems/vocals.{kind}"}
    for name, stem in zip(NAMES, stems, strict=True):
        path = tmp_path / "stems" / f"{name}.{kind}"
        assert soundfile.info(path).samplerate == rate
        read = read_song(path)
        assert read.shape == stem.shape
        assert np.abs(read - stem).max() <= error


def test_wav_is_float_and_holds_what_lies_beyond_full_scale(tmp_path: Path) -> None:
    stems = 9 * make_stems(1000)
    assert write_stems(tmp_path / "stems", stems) == {"bass": 0, "vocals": 0}
    rate, samples = scipy.io.wavfile.read(tmp_path / "stems" / "vocals.wav")
    assert (rate, samples.dtype) == (44100, np.float32)
    assert_array_equal(samples, stems[1])


@pytest.mark.parametrize(("kind", "error"), [("flac", 2**-23), ("ogg", 0.3)])
def test_clipped_samples_are_counted(tmp_path: Path, kind: str, error: float) -> None:
    stems = make_stems(9000) / 10
    stems[1, 4000:4050, 0] = 1.5
    stems[1, 4000:4020, 1] = -7
    stems[0, :2] = [[1, -1], [-1, 1]]
    assert write_stems(tmp_path / "stems", stems, kind=kind) == {"bass": 0, "vocals": 70}
    read = read_song(tmp_path / "stems" / f"vocals.{kind}")
    assert np.abs(read - np.clip(stems[1], -1, 1)).max() <= error


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_same_stems_make_the_same_bytes(tmp_path: Path, kind: str) -> None:
    for folder in ("once", "twice"):
        write_stems(tmp_path / folder, make_stems(6000), kind=kind)
    for name in NAMES:
        once, twice = (tmp_path / folder / f"{name}.{kind}" for folder in ("once", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_header_turns_to_rf64_where_its_sizes_end() -> None:
    largest = (2**32 - 1 - 84) // 8
    assert wav_header(largest, 44100, 2)[:4] == b"RIFF"
    assert wav_header(largest + 1, 44100, 2)[:4] == b"RF64"
    assert len(wav_header(0, 44100, 2)) == len(wav_header(2**40, 192000, 8)) == 92


def test_header_counts_the_file_from_behind_its_size(tmp_path: Path) -> None:
    write_stems(tmp_path / "stems", make_stems(777))
    content = (tmp_path / "stems" / "bass.wav").read_bytes()
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    assert int.from_bytes(wav_header(2**40, 44100, 2)[20:28], "little") == 84 + 8 * 2**40


def test_block_of_any_length_goes_into_an_ogg(tmp_path: Path) -> None:
    """libsndfile crashes on this many samples at once; in a process of its own, where it surely does."""
    code = (
        "import sys, numpy as np; from rtsep.io.stem_writers import StemWriters\n"
        "with StemWriters(sys.argv[1], ['bass'], 8000, 1, 'ogg') as writers:\n"
        "    writers.write(np.zeros((1, 3_000_000, 1), np.float32))\n"
        "    writers.commit()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "stems")], check=True)
    assert soundfile.info(tmp_path / "stems" / "bass.ogg").frames == 3_000_000


@pytest.mark.parametrize("folder", ["stems", "new/deep/stems", "old", "old/sub/stems"])
def test_nothing_shows_before_commit_and_nothing_stays_without(tmp_path: Path, folder: str) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").touch()
    before = all_below(tmp_path)
    for error in (None, RuntimeError, KeyboardInterrupt, SystemExit):
        try:
            with StemWriters(tmp_path / folder, NAMES, 44100, 2) as writers:
                writers.write(make_stems(100))
                assert not list(tmp_path.rglob(f"{folder}/*.wav"))
                if error:
                    raise error
        except (RuntimeError, KeyboardInterrupt, SystemExit):
            pass
        assert all_below(tmp_path) == before
    write_stems(tmp_path / folder, make_stems(100))
    assert {path.name for path in (tmp_path / folder).iterdir()} >= {"bass.wav", "vocals.wav"}
    assert before < all_below(tmp_path)
    assert not [path for path in all_below(tmp_path) if ".rtsep" in path]


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    """A real Ctrl-C in a real process, in the middle of the song."""
    code = (
        "import sys, numpy as np; from rtsep.io.stem_writers import StemWriters\n"
        "with StemWriters(sys.argv[1], ['bass'], 44100, 2, 'flac') as writers:\n"
        "    writers.write(np.zeros((1, 100, 2), np.float32))\n"
        "    print('writing', flush=True)\n"
        "    while True: writers.write(np.zeros((1, 100, 2), np.float32))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new" / "stems")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert len(all_below(tmp_path)) == 3
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert all_below(tmp_path) == set()


@pytest.mark.parametrize("kind", FORMATS)
def test_full_disk_is_noticed_wherever_it_shows(tmp_path: Path, kind: str) -> None:
    """With room for all but the last byte too, which encoders write, in vain and silently, as they close."""
    stems = make_stems(8000)
    write_stems(tmp_path / "whole", stems, kind=kind)
    size = max(path.stat().st_size for path in (tmp_path / "whole").iterdir())
    before = all_below(tmp_path)
    for room in [0, 50, 1000, *range(size - 5000, size, 499), size - 1]:
        for folder in ("whole", "new/deep"):
            with room_for(room), pytest.raises(OutputError) as caught:
                write_stems(tmp_path / folder, stems, kind=kind, overwrite=True)
            assert_one_line(caught.value, str(tmp_path / folder), "cannot be written")
            assert all_below(tmp_path) == before
    with room_for(size + 5000):
        write_stems(tmp_path / "new", stems, kind=kind)


def test_what_is_there_is_kept_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    old, new = make_stems(300), make_stems(400)
    write_stems(tmp_path, old)
    (tmp_path / "vocals.wav").unlink()
    with pytest.raises(OutputError) as caught, StemWriters(tmp_path, NAMES, 44100, 2):
        pytest.fail("there was work before the check")
    assert_one_line(caught.value, "bass.wav: is there already", "--overwrite")
    assert all_below(tmp_path) == {"bass.wav"}
    write_stems(tmp_path, new, overwrite=True)
    assert all_below(tmp_path) == {"bass.wav", "vocals.wav"}
    assert_array_equal(read_song(tmp_path / "bass.wav"), new[0])


def test_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with StemWriters(tmp_path, NAMES, 44100, 2) as writers:
        writers.write(make_stems(100))
        (tmp_path / "vocals.wav").write_text("mine")
        with pytest.raises(OutputError, match="is there already"):
            writers.commit()
    assert all_below(tmp_path) == {"vocals.wav"}
    assert (tmp_path / "vocals.wav").read_text() == "mine"


def test_move_that_fails_halfway_is_taken_back(tmp_path: Path) -> None:
    new, attic = tmp_path / "new", tmp_path / "attic"
    attic.mkdir()
    new.write_text("new")
    for name in "abc":
        (tmp_path / name).write_text(f"old {name}")
    (tmp_path / "b").unlink()
    moves = {new: tmp_path / "a", tmp_path / "missing": tmp_path / "b", tmp_path / "too": tmp_path / "c"}
    with pytest.raises(FileNotFoundError):
        _move_all(moves, attic)
    assert all_below(tmp_path) == {"new", "attic", "a", "c"}
    assert (tmp_path / "a").read_text() == "old a"


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "bass.wav").mkdir(parents=True)
    before = all_below(tmp_path)
    cases = [("file", "is a file"), ("file/a/stems", "is a file"), ("taken", "is a folder"), ("x" * 300, "too long")]
    for folder, part in cases:
        with pytest.raises(OutputError) as caught:
            write_stems(tmp_path / folder, make_stems(10), overwrite=True)
        assert_one_line(caught.value, part)
    assert all_below(tmp_path) == before


def test_folder_without_permission_is_refused() -> None:
    with common_folder() as locked:
        locked.chmod(0o555)
        for folder in (locked, locked / "stems"):
            with without_privileges(), pytest.raises(OutputError) as caught:
                write_stems(folder, make_stems(10))
            assert_one_line(caught.value, str(folder), "Permission denied")
        assert all_below(locked) == set()


@pytest.mark.parametrize(("kind", "rate", "part"), [("mp3", 44100, "mp3: unknown"), ("flac", 88201, "88201 Hz")])
def test_formats_that_cannot_hold_it_are_refused(tmp_path: Path, kind: str, rate: int, part: str) -> None:
    with pytest.raises(OutputError) as caught, StemWriters(tmp_path / "stems", NAMES, rate, 2, kind):
        pytest.fail("there was work before the check")
    assert_one_line(caught.value, part)
    assert all_below(tmp_path) == set()


def test_memory_does_not_grow_with_the_song(tmp_path: Path) -> None:
    def peak(n_blocks: int) -> int:
        stems = make_stems(5000)
        tracemalloc.start()
        with StemWriters(tmp_path / str(n_blocks), NAMES, 44100, 2) as writers:
            for _ in range(n_blocks):
                writers.write(stems)
            writers.commit()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(100) <= 1.1 * peak(10)


@pytest.mark.parametrize("shape", [(2, 10), (1, 10, 2), (3, 10, 2), (2, 10, 1)])
def test_wrong_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with StemWriters(tmp_path / "stems", NAMES, 44100, 2) as writers, pytest.raises(ValueError, match=r"\(2, n, 2\)"):
        writers.write(np.zeros(shape, np.float32))


def test_what_a_killed_process_has_left_is_removed_and_what_a_live_one_has_is_not(tmp_path: Path) -> None:
    for orphan in (tmp_path / ".rtsep-dead", tmp_path / ".rtsep-young"):
        orphan.mkdir()
        (orphan / "bass.wav").touch()
    with StemWriters(tmp_path / "other", NAMES, 44100, 2):
        [alive] = set(tmp_path.glob(".rtsep-*")) - {tmp_path / ".rtsep-dead", tmp_path / ".rtsep-young"}
        for folder in (tmp_path / ".rtsep-dead", alive):
            os.utime(folder, (0, 0))
        write_stems(tmp_path / "stems", make_stems(100))
        assert set(tmp_path.glob(".rtsep-*")) == {tmp_path / ".rtsep-young", alive}
