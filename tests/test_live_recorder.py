"""Takes: to the sample what was heard, the file run's to the bit, and kept where the disk is full."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from launch import Launched, run
from limits import room_for
from numpy.testing import assert_array_equal
from small_model import write_small_model
from sound_files import make_song, read_song, write_song

from rtsep.engine.local import LocalEngine
from rtsep.errors import OutputError
from rtsep.file_job import FileJob, separate_file
from rtsep.io.audio_file import open_audio
from rtsep.io.stem_writers import StemWriters
from rtsep.live.desk import make_desk
from rtsep.live.ends import find_ends
from rtsep.live.plan import LivePlan, make_plan
from rtsep.live.recorder import Recorder, Recording, Take
from rtsep.live.session import LiveJob, play
from rtsep.separator import load_separator
from rtsep.types import STEMS, Stems

PLAN = LivePlan(
    rate=8000, n_channels=2, block=32, reserve=3, algorithmic=50, chunking=0, resampling=0, pipeline=0, advance=40
)
STEM_NAMES = ("voice", "rest")
STEMS_HEARD: Stems = np.random.default_rng(4).uniform(-1, 1, (2, 60_000, 2)).astype(np.float32)


def push(recorder: Recorder, start: int, end: int) -> None:
    """These samples, in uneven pieces."""
    while start < end:
        n = min(end - start, 1 + start % 777)
        recorder.push(STEMS_HEARD[:, start : start + n])
        start += n


def read_take(folder: Path, number: int) -> Stems:
    return np.stack([read_song(folder / f"take-{number}" / f"{stem}.wav") for stem in STEM_NAMES])


def test_takes_have_what_was_heard_between_their_ends_to_the_sample(tmp_path: Path) -> None:
    """What is heard comes PLAN.delay after its stems: they are there before their take begins."""
    (tmp_path / "take-2").mkdir()
    (tmp_path / "take-two").touch()
    recorder = Recorder(Recording(tmp_path, "wav"), STEM_NAMES, PLAN)
    push(recorder, 0, 5000)
    recorder.begin(5000 - PLAN.delay)
    assert recorder.recording
    push(recorder, 5000, 18_000)
    recorder.end(18_000 - PLAN.delay)
    assert not recorder.recording
    recorder.begin(18_000 - PLAN.delay)  # at once: without a gap
    push(recorder, 18_000, 18_100)
    recorder.end(18_000)
    recorder.begin(18_050)
    recorder.end(18_050)  # nothing: no take
    recorder.begin(19_000)  # stems that are late
    push(recorder, 18_100, 30_000)
    recorder.finish()
    ends = [(5000 - PLAN.delay, 18_000 - PLAN.delay), (18_000 - PLAN.delay, 18_000), (19_000, 30_000)]
    folders = [tmp_path / f"take-{number}" for number in (3, 4, 6)]
    assert recorder.takes == [
        Take(str(folder), start, end - start) for folder, (start, end) in zip(folders, ends, strict=True)
    ]
    for number, (start, end) in zip((3, 4, 6), ends, strict=True):
        assert_array_equal(read_take(tmp_path, number), STEMS_HEARD[:, start:end])
    assert {path.name for path in tmp_path.iterdir()} == {"take-2", "take-two", "take-3", "take-4", "take-6"}


def test_takes_of_stems_that_are_late_are_whole_too(tmp_path: Path) -> None:
    """As when the machine is too slow, and what is heard is dry for a while."""
    recorder = Recorder(Recording(tmp_path, "wav"), STEM_NAMES, PLAN)
    push(recorder, 0, 1000)
    for start, end in ((3000, 9000), (9000, 9100), (9100, 12_000)):
        recorder.begin(start)
        recorder.end(end)
    push(recorder, 1000, 40_000)
    recorder.finish()
    assert [(take.start, take.n_samples) for take in recorder.takes] == [(3000, 6000), (9000, 100), (9100, 2900)]
    for number, take in enumerate(recorder.takes, 1):
        assert_array_equal(read_take(tmp_path, number), STEMS_HEARD[:, take.start :][:, : take.n_samples])


def test_a_take_that_begins_before_what_is_kept_says_where_it_begins(tmp_path: Path) -> None:
    recorder = Recorder(Recording(tmp_path, "flac"), STEM_NAMES, PLAN)
    push(recorder, 0, 30_000)
    recorder.push(2 * STEMS_HEARD[:, :1])
    recorder.begin(1000)
    recorder.finish()
    (take,) = recorder.takes
    assert take.start == 30_001 - PLAN.delay - PLAN.rate
    assert take.start + take.n_samples == 30_001
    assert take.n_clipped == np.count_nonzero(np.abs(2 * STEMS_HEARD[:, :1]) > 1)


def test_what_a_killed_process_left_of_a_take_is_not_touched_by_later_ones(tmp_path: Path) -> None:
    recorder = Recorder(Recording(tmp_path), STEM_NAMES, PLAN)
    recorder.begin(0)
    (growing,) = tmp_path.glob("take-1/*/voice.flac")
    left = tmp_path / "take-7" / growing.parent.name / "voice.flac"
    left.parent.mkdir(parents=True)
    left.write_text("sound")
    os.utime(left.parent, (0, 0))
    recorder.end(0)
    recorder.begin(0)
    push(recorder, 0, 1000)
    recorder.finish()
    assert left.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"take-7", "take-8"}


@pytest.mark.parametrize(("kind", "n_lost", "exact_to"), [("wav", 0, 0), ("flac", 16384, 2**-23), ("ogg", 16384, 0.3)])
def test_files_that_still_grow_can_be_read_so_far(tmp_path: Path, kind: str, n_lost: int, exact_to: float) -> None:
    with StemWriters(tmp_path / "stems", STEM_NAMES, 44100, 2, kind) as writers:
        for piece in np.array_split(STEMS_HEARD / 2, 50, axis=1):
            writers.make_room(piece.shape[1])
            writers.write(piece)
            writers.note_length()
        for stem, heard in zip(STEM_NAMES, STEMS_HEARD / 2, strict=True):
            (growing,) = tmp_path.glob(f".rtsep-*/{stem}.{kind}")
            sound, _ = soundfile.read(growing)
            assert 60_000 - n_lost <= len(sound) <= 60_000
            np.testing.assert_allclose(sound, heard[: len(sound)], atol=exact_to)


def test_of_a_killed_session_the_take_can_be_read_but_for_the_last_two_seconds(tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "small.safetensors")
    song = make_song(20 * 44100, n_channels=1)
    path = write_song(tmp_path / "song.wav", song)
    options = ("--model", model, "--record", tmp_path / "live", "--output", "none", "--quiet")
    with Launched("-m", "rtsep.cli", "live", "--input-file", path, *options) as live:
        live.wait_for(lambda: any(tmp_path.glob("live/take-1/*/other.flac")))
        time.sleep(4)
        live.signal(signal.SIGKILL)
        assert live.code() == -signal.SIGKILL
    stems = [soundfile.read(left)[0] for left in tmp_path.glob("live/take-1/.rtsep-*/*.flac")]
    assert len(stems) == len(STEMS)
    n = min(len(stem) for stem in stems)
    assert n > 44100
    np.testing.assert_allclose(sum(stem[:n] for stem in stems), song[:n, 0], atol=1e-4)


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    recorder = Recorder(Recording(tmp_path / "file"), STEM_NAMES, PLAN)
    with pytest.raises(OutputError, match=r"take-1: cannot be made \(Not a directory\); choose"):
        recorder.begin(0)
    assert not recorder.recording
    recorder.finish()
    assert recorder.takes == []


def test_a_take_that_finds_no_room_ends_at_once_and_another_may_begin(tmp_path: Path) -> None:
    recorder = Recorder(Recording(tmp_path, "wav"), STEM_NAMES, PLAN)
    with room_for(300_000):
        recorder.begin(0)
        push(recorder, 0, 60_000)
        deadline = time.monotonic() + 20
        while not recorder.takes:
            assert time.monotonic() < deadline
    assert not recorder.recording
    recorder.begin(55_000)
    recorder.finish()
    first, second = recorder.takes
    assert "cannot be written (File too large)" in first.error
    assert 20_000 < first.n_samples < 300_000 / 8
    assert (second.start, second.n_samples, second.error) == (55_000, 5000, "")
    for number, take in ((1, first), (2, second)):
        assert_array_equal(read_take(tmp_path, number), STEMS_HEARD[:, take.start :][:, : take.n_samples])


def test_the_flac_files_of_a_live_run_are_those_of_the_file_run_byte_by_byte(tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "small.safetensors")
    path = write_song(tmp_path / "song.wav", make_song(60_000))
    job = FileJob(song=path, out=tmp_path, model=str(model), audio_format="flac")
    separator = load_separator(str(model), slices=1)
    separate_file(job, lambda: separator, lambda used, _: LocalEngine(used), lambda done, of: None)
    with open_audio(path) as song:
        ends = find_ends(song, None, "none", None, None)
        plan = make_plan(separator.shape, separator.sample_rate, ends.rate, ends.n_channels, 256)
        desk = replace(make_desk(STEMS, preset="karaoke"), recording=True)
        live = LiveJob("small", plan, ends, desk, Recording(tmp_path / "live"), song.n_samples)
        report = play(live, separator, LocalEngine(separator), lambda report: None, lambda line: None).report
    assert report.takes == (Take(str(tmp_path / "live" / "take-1"), 0, 60_000),)
    for stem in STEMS:
        recorded = tmp_path / "live" / "take-1" / f"{stem}.flac"
        assert recorded.read_bytes() == (job.folder / f"{stem}.flac").read_bytes()


def test_where_the_disk_is_full_what_was_recorded_is_kept_and_the_sound_goes_on(tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "small.safetensors")
    song = make_song(88_200)
    path = write_song(tmp_path / "song.wav", song)
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000));"
        "from rtsep.cli import main; main(sys.argv[1:])"
    )
    options = ("--record", tmp_path / "live", "--output", "none", "--report", tmp_path / "report.json", "--quiet")
    finished = run("-c", limited, "live", "--input-file", path, "--model", model, *options)
    assert finished.code == 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["seconds"] > 2
    (take,) = report["takes"]
    assert 10_000 < take["n_samples"] < 88_200
    assert "cannot be written (File too large)" in take["error"]
    kept = f"{take['n_samples'] / 44100:.1f} s of it are kept"
    assert finished.line == f"rtsep: recording has ended, {kept}: {take['error']}"
    stems = np.stack([read_song(Path(take["folder"]) / f"{stem}.flac") for stem in STEMS])
    assert stems.shape[1] == take["n_samples"]
    np.testing.assert_allclose(stems.sum(axis=0), song[: take["n_samples"]], atol=1e-4)
