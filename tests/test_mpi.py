"""Real MPI jobs: any number of ranks gives the same bits; whatever goes wrong, all ranks end and nothing is left."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from launch import ROOT, Finished, Launched, cpu_seconds, rtsep, run
from small_model import LOW_DELAY, write_small_model
from sound_files import make_song, write_song

PROGRAM = ROOT / "tests" / "mpi_program.py"


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


def run_program(mode: str, out: Path, n_ranks: int) -> Finished:
    return run(PROGRAM, mode, out, n_ranks=n_ranks)


@pytest.fixture(scope="module")
def stems_of_one_process(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("alone") / "stems.npy"
    assert run_program("ok", out, n_ranks=0).code == 0
    return np.load(out)


@pytest.mark.parametrize("n_ranks", [1, 2, 5, 16])
def test_any_number_of_ranks_gives_the_same_bits(
    tmp_path: Path, stems_of_one_process: np.ndarray, n_ranks: int
) -> None:
    finished = run_program("ok", tmp_path / "stems.npy", n_ranks)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", "")
    np.testing.assert_array_equal(np.load(tmp_path / "stems.npy"), stems_of_one_process)


def test_all_ranks_of_a_host_write_to_the_files(tmp_path: Path) -> None:
    finished = run_program("files", tmp_path / "written", 3)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", "")
    assert json.loads((tmp_path / "written").read_text()) == [[0, True], [1, True], [2, True]]
    assert (tmp_path / "bass.wav").stat().st_size > 0


@pytest.mark.parametrize("n_ranks", [2, 16])
def test_a_refusal_is_one_line_and_code_2(tmp_path: Path, n_ranks: int) -> None:
    finished = run_program("refused", tmp_path / "stems.npy", n_ranks)
    assert (finished.code, finished.line) == (2, "rtsep: model: is unknown; choose another")


def test_damage_while_all_are_at_work_is_one_line_and_code_2(tmp_path: Path) -> None:
    finished = run_program("song is damaged", tmp_path / "stems.npy", 3)
    assert (finished.code, finished.line) == (2, "rtsep: song: is damaged; fetch it again")
    assert not (tmp_path / "stems.npy").exists()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_an_exception_in_a_rank_shows_its_traceback_once_and_ends_all(tmp_path: Path, rank: int) -> None:
    finished = run_program(f"rank {rank} raises", tmp_path / "stems.npy", 3)
    assert finished.code == 1
    told = finished.stderr.splitlines()  # and nothing of the launcher's
    assert told.count("Traceback (most recent call last):") == 1
    assert (told[0], told[-1]) == ("Traceback (most recent call last):", f"ArithmeticError: rank {rank} cannot")


def test_a_worker_that_cannot_load_says_so_in_a_line_and_ends_all(tmp_path: Path) -> None:
    finished = run_program("rank 2 cannot load", tmp_path / "stems.npy", 3)
    assert (finished.code, finished.line) == (2, "rtsep: rank 2: model: is not on this machine; copy it there")


@pytest.fixture(scope="module", params=[44100, 48000], ids=["written by all", "written by rank 0"])
def song(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    rate: int = request.param
    return write_song(tmp_path_factory.mktemp("song") / "song.wav", make_song(6 * rate), rate)


@pytest.fixture(scope="module")
def separated_alone(tmp_path_factory: pytest.TempPathFactory, song: Path, small_model: Path) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("out")
    assert rtsep("run", song, "--out", out, "--model", small_model, "--quiet").code == 0
    return read_files(out / "song.stems")


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_rtsep_run_gives_the_same_files_and_reports_on_every_rank(
    tmp_path: Path, song: Path, small_model: Path, separated_alone: dict[str, bytes], n_ranks: int
) -> None:
    report = tmp_path / "report.json"
    finished = rtsep("run", song, "--out", tmp_path, "--model", small_model, "--report", report, n_ranks=n_ranks)
    assert finished.code == 0, finished.stderr
    assert read_files(tmp_path / "song.stems") == separated_alone
    told = json.loads(report.read_text())
    assert told["ranks"] == n_ranks
    assert [share["rank"] for share in told["shares"]] == list(range(n_ranks))
    assert all(share["peak_memory_mb"] > 30 for share in told["shares"])
    assert sum(share["share"] for share in told["shares"]) == pytest.approx(1)
    assert finished.stdout.count("without start-up") == 1
    n_unused = sum(share["chunks"] == 0 for share in told["shares"][1:])
    assert (f"{n_unused} more" in finished.stdout) == (n_unused > 0)
    assert finished.stderr.splitlines()[-1] == "100 % done"


def test_a_low_delay_model_gives_the_same_files(tmp_path: Path, song: Path) -> None:
    model = write_small_model(tmp_path / "low-delay.safetensors", spec=LOW_DELAY)
    for folder, ranks in (("alone", 0), ("crew", 3)):
        finished = rtsep("run", song, "--out", tmp_path / folder, "--model", model, "--quiet", n_ranks=ranks)
        assert finished.code == 0, finished.stderr
    assert read_files(tmp_path / "crew" / "song.stems") == read_files(tmp_path / "alone" / "song.stems")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["song.wav", "--model", "nonesuch"], "nonesuch"),
        (["song.wav", "--sovler", "cd"], "--sovler"),
        (["nan.wav", "--model", "small.safetensors"], "NaN"),
    ],
)
def test_wrong_input_under_mpirun_is_one_line_and_leaves_nothing(
    tmp_path: Path, small_model: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "small.safetensors").symlink_to(small_model)
    samples = make_song(4 * 44100)
    write_song(tmp_path / "song.wav", samples)
    samples[-20000] = np.nan
    write_song(tmp_path / "nan.wav", samples, subtype="FLOAT")
    before = sorted(tmp_path.iterdir())
    finished = rtsep("run", *arguments, "--quiet", n_ranks=3, cwd=tmp_path)
    assert finished.code == 2
    assert finished.line.startswith("rtsep: ")
    assert words in finished.line
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def at_work(tmp_path: Path, small_model: Path) -> Iterator[Launched]:
    """Two ranks amid a song of two minutes; what they write goes to `tmp_path / "out"`."""
    song = write_song(tmp_path / "song.wav", make_song(120 * 44100))
    command = ("run", song, "--out", tmp_path / "out", "--model", small_model, "--quiet")
    with Launched("-m", "rtsep.cli", *command, n_ranks=2) as launched:
        launched.wait_for(lambda: any(path.stat().st_size > 1e6 for path in (tmp_path / "out").rglob("bass.wav")))
        yield launched


def test_ctrl_c_ends_all_ranks_in_one_line_and_leaves_nothing(tmp_path: Path, at_work: Launched) -> None:
    at_work.signal(signal.SIGINT)  # mpirun passes SIGTERM on in the same way
    finished = at_work.finish(seconds=5)
    # mpirun's own code after a signal is 1, whatever its ranks return.
    assert (finished.code, finished.line) == (1, "rtsep: interrupted")
    assert not (tmp_path / "out").exists()


def test_a_signal_to_rank_0_alone_ends_all_ranks(tmp_path: Path, at_work: Launched) -> None:
    at_work.signal(signal.SIGINT, at_work.ranks()[0])
    finished = at_work.finish(seconds=5)
    assert (finished.code, finished.line) == (130, "rtsep: interrupted")
    assert not (tmp_path / "out").exists()


def test_ranks_do_not_outlive_a_launcher_that_is_killed(tmp_path: Path, at_work: Launched) -> None:
    at_work.signal(signal.SIGKILL)
    assert at_work.finish(seconds=10).code == -signal.SIGKILL
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("when", ["before work", "at work"])
def test_ranks_without_work_sleep(tmp_path: Path, when: str) -> None:
    waiting = tmp_path / "waiting"
    with Launched(PROGRAM, f"idle {when}", waiting, n_ranks=3) as launched:
        launched.wait_for(waiting.exists)
        time.sleep(0.5)
        workers = [pid for rank, pid in launched.ranks().items() if rank > 0]
        before = [cpu_seconds(pid) for pid in workers]
        time.sleep(2)
        after = [cpu_seconds(pid) for pid in workers]
        assert launched.finish().code == 0
    assert len(workers) == 2
    for start, end in zip(before, after, strict=True):
        assert end - start < 0.1
