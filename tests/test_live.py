"""Live sound paced by the clock: its stems are the file run's, bit for bit; what is told, recorded and refused."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from four_bands import FourBands
from launch import Launched, rtsep
from small_model import write_small_model
from sound_files import make_song, read_song, write_song

import rtsep as package
from rtsep.engine.local import LocalEngine
from rtsep.io.audio_file import open_audio
from rtsep.live.desk import make_desk
from rtsep.live.ends import find_ends
from rtsep.live.plan import make_plan
from rtsep.live.recorder import Recording
from rtsep.live.report import LiveReport, decibels, fall_back
from rtsep.live.session import LiveJob, play
from rtsep.live.source import FileSource
from rtsep.live.thread import undisturbed
from rtsep.separator import load_separator
from rtsep.types import STEMS, Audio, Separator, Stems

RATE = 44100
NOWHERE = ("--output", "none", "--quiet")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_small_model(tmp_path / "small.safetensors")


def play_song(path: Path, separator: Separator, folder: Path | None = None, **plan: int) -> tuple[LiveReport, list]:
    """Play a file to nowhere; the last report, and what was told after how many seconds."""
    seconds = [0.0]
    told: list[tuple[float, str]] = []
    with open_audio(path) as song:
        ends = find_ends(song, None, "none", None, None)
        laid_out = make_plan(separator.shape, separator.sample_rate, ends.rate, ends.n_channels, 256, **plan)
        desk = replace(make_desk(separator.stems), recording=bool(folder))
        recording = Recording(folder or path.parent / "takes", "wav")
        job = LiveJob("small", laid_out, ends, desk, recording, song.n_samples)
        played = play(
            job,
            separator,
            LocalEngine(separator),
            lambda report: seconds.append(report.seconds),
            lambda line: told.append((seconds[-1], line)),
        )
    return played.report, told


def read_stems(folder: Path) -> Stems:
    return np.stack([read_song(folder / "take-1" / f"{stem}.wav") for stem in STEMS])


@pytest.mark.parametrize(("rate", "n_channels"), [(44100, 2), (44100, 1), (32000, 2)])
def test_recorded_stems_are_those_of_the_file_bit_for_bit(
    tmp_path: Path, model: Path, rate: int, n_channels: int
) -> None:
    song = make_song(rate + 77, n_channels)
    path = write_song(tmp_path / "song.wav", song, rate, subtype="FLOAT")
    report, _ = play_song(path, load_separator(str(model), slices=1), tmp_path / "live")
    np.testing.assert_array_equal(
        read_stems(tmp_path / "live"), package.separate(song, rate, load_separator(str(model)))
    )
    assert report.queue_samples < rate / 4
    assert report.seconds >= len(song) / rate + (report.latency_ms["end_to_end"] - report.latency_ms["device"]) / 1e3
    assert ("resampling" in report.latency_ms) == (rate != RATE)


class Sluggish(FourBands):
    """Takes longer for a chunk than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def separate(self, chunk: Audio) -> Stems:
        time.sleep(self._seconds)
        return super().separate(chunk)


def test_a_machine_that_is_too_slow_is_told_of_and_what_it_recorded_is_whole(tmp_path: Path) -> None:
    song = make_song(3 * RATE)
    path = write_song(tmp_path / "song.wav", song, subtype="FLOAT")
    report, told = play_song(path, Sluggish(0.06), tmp_path / "live")
    ((seconds, line),) = told
    assert 1 < seconds < 2
    assert line.startswith("this machine takes 6")
    assert "choose --latency quality" in line
    assert report.misses >= 1
    assert report.dry_seconds > 1
    assert report.compute_ms["p50"] > report.deadline_ms
    np.testing.assert_array_equal(read_stems(tmp_path / "live"), package.separate(song, RATE, FourBands()))


def test_the_report_has_what_was_played(tmp_path: Path, model: Path) -> None:
    path = write_song(tmp_path / "song.wav", make_song(2 * RATE))
    options = ("--input-file", path, "--model", model, "--duration", 1, "--report", tmp_path / "report.json", *NOWHERE)
    finished = rtsep("live", *options, "--reserve", 60)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert 1 <= report["seconds"] < 2.5
    assert report["sample_rate"] == RATE
    parts = report["latency_ms"]
    assert parts.pop("end_to_end") == pytest.approx(sum(parts.values()))
    assert parts["reserve"] == pytest.approx(60 * 256 / 44.1)
    ordered = [report["compute_ms"][name] for name in ("p50", "p95", "p99", "p99.9", "max")]
    assert ordered == sorted(ordered)
    assert report["chunks"] >= 11
    assert 0 < report["callback_ms"]["p50"] <= report["callback_ms"]["max"]
    assert report["misses"] == 0
    assert set(report["peak_dbfs"]) == set(STEMS)
    assert 0 < report["cpu"] < 3


def test_an_interruption_ends_it_well_and_keeps_the_recording(tmp_path: Path, model: Path) -> None:
    path = write_song(tmp_path / "song.wav", make_song(60 * RATE, n_channels=1))
    options = ("--input-file", path, "--model", model, "--record", tmp_path / "live", "--format", "wav", *NOWHERE)
    with Launched("-m", "rtsep.cli", "live", *options) as live:
        live.wait_for(
            lambda: any(part.stat().st_size > 10 * RATE for part in tmp_path.glob("live/take-1/.rtsep-*/bass.wav"))
        )
        live.signal(signal.SIGINT)
        finished = live.finish()
    assert (finished.code, finished.stderr) == (0, "")
    stems = read_stems(tmp_path / "live")
    np.testing.assert_allclose(stems.sum(axis=0), read_song(path)[: stems.shape[1]], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--block", "3"), "block 3"),
        (("--slices", "0"), "slices 0"),
        (("--slices", "2.5"), "--slices 2.5: it must be a whole number; see --help"),
        (("--duration", "0"), "duration 0 s"),
        (("--hear", "flute"), "stem flute"),
        (("--rate", "48000"), "leave out --input"),
        (("--slices", "100000"), "give fewer --slices"),
        (("--model", "nix"), "nix"),
        (("--latency", "lowish"), "'--latency': 'lowish' is not one of 'low', 'balanced', 'quality'; see --help"),
        (("--record", "song.wav"), "Not a directory"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, options: tuple[str, str], told: str) -> None:
    write_song(tmp_path / "song.wav", make_song(4000))
    finished = rtsep("live", "--input-file", "song.wav", *NOWHERE, *options, cwd=tmp_path)
    assert finished.code == 2
    assert told in finished.line


def test_a_file_that_the_disk_is_late_with_is_put_off_and_loses_nothing(tmp_path: Path) -> None:
    song = make_song(10_000)
    with open_audio(write_song(tmp_path / "song.wav", song, subtype="FLOAT")) as reader:
        source = FileSource(reader)
        blocks = [np.full((256, 2), np.nan, np.float32) for _ in range(41)]
        assert not source.fill(blocks[0])
        with source:
            while not source.fill(blocks[0]):
                time.sleep(0.001)
            assert all(source.fill(block) for block in blocks[1:])
    assert source.n_late >= 1
    np.testing.assert_array_equal(np.concatenate(blocks)[:10_000], song)
    assert not np.concatenate(blocks)[10_000:].any()


def test_meters_rise_at_once_and_fall_by_20_db_in_a_second_and_a_half() -> None:
    shown = fall_back(np.zeros(1, np.float32), np.ones(1, np.float32), 0.1)
    assert decibels(float(shown[0])) == 0
    for _ in range(15):
        shown = fall_back(shown, np.zeros(1, np.float32), 0.1)
    assert decibels(float(shown[0])) == pytest.approx(-20, abs=1e-3)
    assert decibels(0.0) == -np.inf


def test_the_interpreter_is_left_as_it_was() -> None:
    before = state()
    with undisturbed():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 1000
        assert sys.getswitchinterval() < before[2]
    assert state() == before


def state() -> tuple[object, ...]:
    """What a session changes of the interpreter and of this thread."""
    scheduling = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    return gc.isenabled(), gc.get_freeze_count(), sys.getswitchinterval(), threading.active_count(), *scheduling
