"""Ranks that die, stall or hang: with ULFM the stems are those of one process; whatever happens, no process is left."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from launch import ROOT, Launched, run
from small_model import write_small_model
from sound_files import make_song, write_song

PROGRAM = ROOT / "tests" / "mpi_program.py"
ULFM = ("mpirun", "--with-ft", "ulfm")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """`rtsep run` of two minutes, which takes a rank two seconds where it is fast: none is done before it is killed."""
    folder = tmp_path_factory.mktemp("song")
    song = write_song(folder / "song.wav", make_song(120 * 44100), 44100)
    model = write_small_model(folder / "small.safetensors")
    return ("-m", "rtsep.cli", "run", song, "--model", model, "--quiet")


@pytest.fixture(scope="module")
def files_of_one_process(tmp_path_factory: pytest.TempPathFactory, command: tuple[object, ...]) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("alone")
    assert run(*command, "--out", out).code == 0
    return read_files(out)


@pytest.fixture(scope="module")
def stems_of_one_process(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("alone") / "stems.npy"
    assert run(PROGRAM, "ok", out).code == 0
    return np.load(out)


def read_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "song.stems").iterdir()}


def has_begun(out: Path) -> bool:
    """Whether stems are being written."""
    return any(path.stat().st_size > 1e6 for path in out.rglob("bass.wav"))


def fates(report: Path) -> dict[int, str]:
    return {share["rank"]: share["fate"] for share in json.loads(report.read_text())["shares"]}


def test_all_workers_may_die_one_after_the_other(
    tmp_path: Path, command: tuple[object, ...], files_of_one_process: dict[str, bytes]
) -> None:
    chance = random.Random(4)
    report = tmp_path / "report.json"
    with Launched(*command, "--out", tmp_path, "--report", report, n_ranks=5, launcher=ULFM) as launched:
        launched.wait_for(lambda: has_begun(tmp_path))
        ranks = launched.ranks()
        for rank in chance.sample(range(1, 5), 4):
            launched.signal(signal.SIGKILL, ranks[rank])
            time.sleep(chance.uniform(0, 0.2))
        finished = launched.finish()
    assert (finished.code, finished.stdout) == (0, "")
    assert read_files(tmp_path) == files_of_one_process
    assert fates(report) == {0: "", 1: "died", 2: "died", 3: "died", 4: "died"}
    told = sorted(line for line in finished.stderr.splitlines() if line.startswith("rtsep: "))  # mpirun has words too
    assert told == [f"rtsep: rank {rank} died; others computed what it had" for rank in range(1, 5)]


def test_a_rank_may_die_before_mpi_is_up(
    tmp_path: Path, command: tuple[object, ...], files_of_one_process: dict[str, bytes]
) -> None:
    report = tmp_path / "report.json"
    with Launched(*command, "--out", tmp_path, "--report", report, n_ranks=3, launcher=ULFM) as launched:
        launched.wait_for(lambda: 1 in launched.ranks())
        launched.signal(signal.SIGKILL, launched.ranks()[1])
        finished = launched.finish()
    assert (finished.code, finished.line) == (0, "rtsep: rank 1 died before MPI was up; rank 0 went on alone")
    assert read_files(tmp_path) == files_of_one_process
    assert fates(report) == {0: "", 1: "died"}


def test_a_rank_may_die_while_it_loads_and_another_hang_for_good(
    tmp_path: Path, stems_of_one_process: np.ndarray
) -> None:
    out = tmp_path / "stems.npy"
    with Launched(PROGRAM, "long, rank 2 hangs", out, n_ranks=4, launcher=ULFM) as launched:
        launched.wait_for(out.with_suffix(".1").exists)
        launched.signal(signal.SIGKILL, launched.ranks()[1])
        finished = launched.finish()
    assert (finished.code, finished.stderr) == (0, "")
    assert json.loads(out.with_suffix(".json").read_text()) == ["", "died", "stalled", ""]
    np.testing.assert_array_equal(np.load(out), stems_of_one_process)


def test_a_rank_that_stops_is_routed_around_and_one_that_wakes_up_goes_on(
    tmp_path: Path, stems_of_one_process: np.ndarray
) -> None:
    out = tmp_path / "stems.npy"
    with Launched(PROGRAM, "long", out, n_ranks=4) as launched:
        launched.wait_for(out.with_suffix(".began").exists)
        ranks = launched.ranks()
        launched.signal(signal.SIGSTOP, ranks[1])
        launched.signal(signal.SIGSTOP, ranks[2])
        time.sleep(1.5)
        launched.signal(signal.SIGCONT, ranks[2])
        finished = launched.finish(seconds=30)
    assert (finished.code, finished.stderr) == (0, "")
    assert json.loads(out.with_suffix(".json").read_text()) == ["", "stalled", "", ""]
    np.testing.assert_array_equal(np.load(out), stems_of_one_process)


@pytest.fixture
def at_work(tmp_path: Path, command: tuple[object, ...], mpirun: tuple[str, ...]) -> Iterator[Launched]:
    """Three ranks that have begun to write."""
    with Launched(*command, "--out", tmp_path / "out", n_ranks=3, launcher=mpirun) as launched:
        launched.wait_for(lambda: has_begun(tmp_path / "out"))
        yield launched


@pytest.mark.parametrize(("mpirun", "code"), [(ULFM, 1), (("mpirun",), 128 + signal.SIGKILL)])
def test_without_rank_0_the_job_ends_in_one_line_and_leaves_nothing(
    at_work: Launched, tmp_path: Path, code: int
) -> None:
    at_work.signal(signal.SIGKILL, at_work.ranks()[0])
    finished = at_work.finish(seconds=10)
    assert finished.code == code
    told = [line for line in finished.stderr.splitlines() if line.startswith("rtsep: ")]  # mpirun has words of its own
    assert told == ["rtsep: rank 0 died, and with it the job; start it again"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mpirun", [("mpirun",)])
def test_without_ulfm_the_death_of_a_rank_ends_the_job(at_work: Launched, tmp_path: Path) -> None:
    at_work.signal(signal.SIGKILL, at_work.ranks()[2])
    finished = at_work.finish(seconds=10)
    assert finished.code == 128 + signal.SIGKILL
    told = [line for line in finished.stderr.splitlines() if line.startswith("rtsep: ")]
    assert told == ["rtsep: rank 2 died, and with it the job; rtsep run survives that under mpirun --with-ft ulfm"]
    assert not list(tmp_path.rglob("*.wav"))
