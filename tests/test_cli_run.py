"""`rtsep run` and `run_rt.py` as processes of their own: what they write, report and refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from launch import ROOT, Launched, rtsep, run
from small_model import write_small_model
from sound_files import make_song, read_song, write_song

from rtsep.types import STEMS

RATE = 32000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small models, cqt.safetensors and stft.safetensors."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("cqt", "stft"):
        write_small_model(folder / f"{kind}.safetensors", kind)
    return folder


@pytest.fixture
def folder(tmp_path: Path, models: Path) -> Path:
    """A folder with the small models and song.wav, two seconds long."""
    for model in models.iterdir():
        (tmp_path / model.name).symlink_to(model)
    write_song(tmp_path / "song.wav", make_song(2 * RATE), RATE, subtype="FLOAT")
    return tmp_path


def test_run_rt_writes_four_stems_that_add_up_and_a_report(folder: Path) -> None:
    options = ("--file", "song.wav", "--model", "cqt.safetensors", "--report", "report.json")
    finished = run(ROOT / "run_rt.py", *options, cwd=folder)
    assert finished.code == 0, finished.stderr
    assert finished.stderr.splitlines()[-1] == "100 % done"
    stems = {path.name: read_song(path) for path in (folder / "song.stems").iterdir()}
    assert set(stems) == {f"{stem}.wav" for stem in STEMS}
    np.testing.assert_allclose(sum(stems.values()), read_song(folder / "song.wav"), atol=1e-4)

    report = json.loads((folder / "report.json").read_text())
    assert (report["model"], report["frontend"], report["solver"]) == ("cqt.safetensors", "cqt", "cd")
    assert (report["ranks"], report["sample_rate"], report["channels"]) == (1, RATE, 2)
    assert report["audio_seconds"] == 2.0
    assert 0 < report["startup_seconds"] < report["wall_seconds"] <= finished.seconds + 0.1
    assert report["rtf"] == pytest.approx(report["wall_seconds"] / 2)
    assert report["rtf_without_startup"] == pytest.approx((report["wall_seconds"] - report["startup_seconds"]) / 2)
    assert report["chunk_ms"]["p50"] <= report["chunk_ms"]["p95"] <= report["chunk_ms"]["max"]
    assert set(report["latency"]) == {"algorithmic", "resampling", "buffering", "compute"}
    assert report["latency"]["algorithmic"]["samples"] == 7168
    assert report["latency"]["compute"]["ms"] == pytest.approx(report["chunk_ms"]["p50"])
    [share] = report["shares"]
    assert share["busy_seconds"] < report["wall_seconds"]
    assert 30 < share["peak_memory_mb"] < 350
    for words in ("RTF", "start-up", "p99", "algorithmic", "peak MB"):
        assert words in finished.stdout


def test_options_choose_stems_format_stretch_model_and_solver(folder: Path) -> None:
    options = "--out out --stems vocals,bass --format flac --start 0.5 --duration 0.75 --solver lca --frontend stft"
    finished = rtsep("run", "song.wav", *options.split(), "--model", "stft.safetensors", "--quiet", cwd=folder)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", "")
    stems = folder / "out" / "song.stems"
    assert sorted(path.name for path in stems.iterdir()) == ["bass.flac", "vocals.flac"]
    info = soundfile.info(stems / "bass.flac")
    assert (info.frames, info.samplerate, info.channels) == (0.75 * RATE, RATE, 2)


def test_a_folder_is_separated_song_by_song(folder: Path) -> None:
    (folder / "album").mkdir()
    (folder / "album" / "song [live].wav").symlink_to("../song.wav")
    (folder / "album" / "text.wav").write_text("no sound in here")
    options = ("--model", "cqt.safetensors", "--report", "report.json")
    finished = rtsep("run", "album", "--out", "out", *options, cwd=folder)
    assert finished.code == 2
    # On a slow machine a line before it says that rtsep is starting.
    assert [line for line in finished.stderr.splitlines() if line.startswith("rtsep: album/text.wav: ")]
    assert finished.stderr.splitlines()[-1] == "100 % done"
    assert {path.name for path in (folder / "out" / "song [live].stems").iterdir()} == {f"{stem}.wav" for stem in STEMS}
    report = json.loads((folder / "report.json").read_text())
    assert [(line["song"], line["status"]) for line in report["songs"]] == [
        ("song [live].wav", "separated"),
        ("text.wav", "failed"),
    ]
    assert report["audio_seconds"] == 2.0
    assert report["songs"][1]["fault"] in finished.stderr
    for words in ("song [live].wav", "1 separated, 1 failed", "RTF"):
        assert words in finished.stdout


def test_clipping_is_told_in_a_line(folder: Path) -> None:
    write_song(folder / "loud.wav", 4 * make_song(RATE), RATE, subtype="FLOAT")
    options = ("--model", "cqt.safetensors", "--format", "ogg", "--stems", "other", "--quiet")
    finished = rtsep("run", "loud.wav", *options, cwd=folder)
    assert finished.code == 0
    assert finished.line.startswith("rtsep: other: ")
    assert "clipped" in finished.line


def test_truth_is_scored_beside_the_mixture(folder: Path) -> None:
    song = read_song(folder / "song.wav")
    (folder / "truth").mkdir()
    for stem in STEMS:
        write_song(folder / "truth" / f"{stem}.flac", 0.25 * song, RATE, subtype="PCM_24")
    options = ("--model", "cqt.safetensors", "--truth", "truth", "--report", "report.json")
    finished = rtsep("run", "song.wav", *options, cwd=folder, seconds=120)
    assert finished.code == 0, finished.stderr
    assert "mixture's SDR" in finished.stdout
    scores = json.loads((folder / "report.json").read_text())["scores"]
    assert set(scores) == set(STEMS)
    for score in scores.values():
        # Against a quarter of itself the mixture errs by three quarters: 20 log10(1/3).
        assert score["mixture_sdr_db"] == pytest.approx(-9.54, abs=0.01)
        assert score["gain_db"] == pytest.approx(score["sdr_db"] - score["mixture_sdr_db"])


def damage(folder: Path) -> None:
    """Files that cannot be separated, each under its own name."""
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound in here\n" * 100)
    (folder / "cut.wav").write_bytes((folder / "song.wav").read_bytes()[:100_000])
    write_song(folder / "silent.wav", np.zeros((0, 2)), RATE)
    nan = make_song(2 * RATE)
    nan[50_000] = np.nan
    write_song(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    (folder / "done.stems").mkdir()
    (folder / "done.wav").symlink_to("song.wav")
    (folder / "done.stems" / "drums.wav").write_bytes(b"kept")
    (folder / "file").write_text("no folder")
    (folder / "hollow").mkdir()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("missing.wav", "missing.wav"),
        ("hollow", "no song"),
        ("hollow --truth done.stems", "evaluate"),
        (". --part 3/2", "3/8"),
        ("song.wav --part 1/2", "folder"),
        ("empty.wav", "empty"),
        ("text.wav", "text.wav"),
        ("cut.wav", "truncated"),
        ("silent.wav", "0 samples"),
        ("nan.wav --model cqt.safetensors", "NaN"),
        ("song.wav --start 2", "start"),
        ("song.wav --duration 0", "duration"),
        ("song.wav --model nonesuch", "nonesuch"),
        ("song.wav --model text.wav", "text.wav"),
        ("song.wav --model cqt.safetensors --frontend stft", "stft"),
        ("song.wav --model cqt.safetensors --stems flute", "flute"),
        ("song.wav --model cqt.safetensors --out file", "file"),
        ("done.wav --model cqt.safetensors", "--overwrite"),
        ("song.wav --report nowhere/report.json", "nowhere"),
        ("song.wav --report .", "report"),
        ("song.wav --truth nowhere", "nowhere"),
        ("song.wav --format mp3", "mp3"),
        ("song.wav --solver magic", "magic"),
        ("song.wav --start soon", "--start soon: it must be a number; see --help"),
        ("song.wav --tempo 3", "--tempo"),
        ("song.wav other.wav", "other.wav"),
        ("", "SONG"),
        ("song.wav --model=", "'--model='"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(folder: Path, arguments: str, words: str) -> None:
    damage(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    finished = rtsep("run", *arguments.split(), "--quiet", cwd=folder)
    assert finished.code == 2
    assert finished.line.startswith("rtsep: ")
    assert words in finished.line
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_no_permission_is_one_line(folder: Path) -> None:
    """As root, who may write anywhere but on such a disk, /proc stands for it."""
    finished = rtsep("run", "song.wav", "--model", "cqt.safetensors", "--out", "/proc", "--quiet", cwd=folder)
    assert finished.code == 2
    assert "/proc" in finished.line


def test_a_full_disk_is_one_line_and_leaves_nothing(folder: Path) -> None:
    """A limit on the size of files meets the writer as a full disk does: amid the song."""
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); import rtsep.cli"
    command = f"{code}; rtsep.cli.main(['run', 'song.wav', '--model', 'cqt.safetensors', '--quiet'])"
    finished = run("-c", command, cwd=folder)
    assert finished.code == 2
    assert "song.stems" in finished.line
    assert not list(folder.glob("*.stems"))
    assert not list(folder.glob(".rtsep*"))


@pytest.fixture
def at_work(folder: Path) -> Iterator[Launched]:
    """A process amid a song of two minutes."""
    write_song(folder / "long.wav", make_song(120 * 44100))
    command = ("run", "long.wav", "--out", "out/songs", "--model", "cqt.safetensors", "--quiet")
    with Launched("-m", "rtsep.cli", *command, cwd=folder) as launched:
        launched.wait_for(lambda: any(path.stat().st_size > 1e6 for path in (folder / "out").rglob("bass.wav")))
        yield launched


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_line_and_leaves_nothing(
    folder: Path, at_work: Launched, number: signal.Signals
) -> None:
    at_work.signal(number)
    finished = at_work.finish(seconds=5)
    assert (finished.code, finished.line) == (130, "rtsep: interrupted")
    assert not (folder / "out").exists()


def test_a_process_that_is_killed_leaves_nothing_either_but_what_others_keep_there(
    folder: Path, at_work: Launched
) -> None:
    (folder / "out" / "kept").touch()
    at_work.signal(signal.SIGKILL)
    assert at_work.finish(seconds=5).code == -signal.SIGKILL
    assert [path.name for path in (folder / "out").iterdir()] == ["kept"]


def test_mpi_is_not_imported_without_a_launcher(folder: Path) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted(n for n in sys.modules if n in ('mpi4py', 'museval', 'torch'))))\n"
        "from rtsep.cli import main\n"
        "main(['run', 'song.wav', '--model', 'cqt.safetensors', '--quiet'])"
    )
    finished = run("-c", code, cwd=folder)
    assert (finished.code, finished.stdout) == (0, "[]\n")


def test_models_are_listed() -> None:
    finished = rtsep("models")
    assert finished.code == 0
    assert "cqt-sparse" in finished.stdout.split()


def test_help_names_every_option() -> None:
    finished = rtsep("run", "--help")
    assert finished.code == 0
    for option in [
        "out",
        "model",
        "frontend",
        "solver",
        "format",
        "stems",
        "start",
        "duration",
        "report",
        "truth",
        "overwrite",
        "part",
        "quiet",
    ]:
        assert f"--{option}" in finished.stdout


def test_run_rt_says_what_to_do_where_rtsep_is_not_installed(tmp_path: Path) -> None:
    """A Python without any packages, as the system's own may be."""
    bare = [sys.executable, "-S", "-I", str(ROOT / "run_rt.py"), "--file", "song.wav"]
    finished = subprocess.run(bare, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ))
    assert finished.returncode == 2
    [line] = finished.stderr.splitlines()
    assert "make setup" in line
