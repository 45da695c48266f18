"""`rtsep train` as its users start it: alone or under mpirun it writes the same file; what goes wrong is one line."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import demo_song
import pytest
from launch import ROOT, Launched, rtsep, run
from small_recipe import recipe

PROGRAM = ROOT / "tests" / "ranks_program.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of 4 s, a recipe beside it, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("data")
    demo_song.write_stems(folder / "songs" / "Song", 0, 4)
    (folder / "cut" / "songs").mkdir(parents=True)
    shutil.copytree(folder / "songs" / "Song", folder / "cut" / "songs" / "Song")
    drums = folder / "cut" / "songs" / "Song" / "drums.flac"
    drums.write_bytes(drums.read_bytes()[:9000])
    tuned = "1.0\n[tuning]\nsteps = 2\npermutations = 1"
    (folder / "recipe.toml").write_text(recipe(mask_exponent=tuned))
    (folder / "long.toml").write_text(recipe(mixtures=5000))
    (folder / "few.toml").write_text(recipe(mixtures=2))
    (folder / "other.toml").write_text(recipe(patch_columns=3))
    done = rtsep("train", "sparse", "recipe.toml", "--data", ".", "--out", "model.safetensors", cwd=folder)
    assert done.code == 0, done.stderr
    done = rtsep("train", "dictionary", "recipe.toml", "--data", ".", "--out", "atoms.safetensors", cwd=folder)
    assert done.code == 0, done.stderr
    return folder


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_a_dictionary_has_the_same_bits_from_any_number_of_ranks(tmp_path: Path, data: Path, n_ranks: int) -> None:
    out = tmp_path / "atoms.safetensors"
    done = rtsep("train", "dictionary", "recipe.toml", "--data", ".", "--out", out, n_ranks=n_ranks, cwd=data)
    assert done.code == 0, done.stderr
    assert out.read_bytes() == (data / "atoms.safetensors").read_bytes()
    assert os.listdir(tmp_path) == ["atoms.safetensors"]
    told = done.stderr.splitlines()  # by rank 0 alone
    assert sum(line.startswith("mixtures: 100%, 5 of 5") for line in told) == 1
    assert sum(line.startswith("dictionary: 100%, energy 0.") for line in told) == 1
    assert told[-1].endswith("in use")
    assert done.stdout.splitlines()[-1].startswith(f"{out}: 24 atoms, ")
    assert done.stdout.count("24 atoms") == 1


@pytest.mark.parametrize("n_ranks", [0, 2])
def test_a_decoder_on_the_dictionary_is_the_model_that_is_trained_in_one_go(
    tmp_path: Path, data: Path, n_ranks: int
) -> None:
    out = tmp_path / "model.safetensors"
    command = ("train", "decoder", "recipe.toml", "--data", ".", "--dictionary", "atoms.safetensors", "--out", out)
    done = rtsep(*command, n_ranks=n_ranks, cwd=data)
    assert done.code == 0, done.stderr
    assert out.read_bytes() == (data / "model.safetensors").read_bytes()
    assert "dictionary:" not in done.stderr


@pytest.mark.parametrize(
    ("command", "words", "n_ranks"),
    [
        ("dictionary none.toml --data . --out new.safetensors", "recipe none.toml cannot be read", 0),
        ("dictionary recipe.toml --data nowhere --out new.safetensors", "folder nowhere: there is no such folder", 3),
        ("sparse recipe.toml --data . --out new.bin", "must end in .safetensors", 0),
        ("sparse recipe.toml --data cut --out new.safetensors", "drums.flac cannot be read from", 2),
        ("sparse few.toml --data . --out new.safetensors", "2 mixtures for 3 ranks", 3),
        ("decoder other.toml --data . --dictionary atoms.safetensors --out new.safetensors", "patch_columns 2 of", 0),
        ("decoder recipe.toml --data . --dictionary model.safetensors --out new.safetensors", "of kind 'sparse'", 2),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(data: Path, command: str, words: str, n_ranks: int) -> None:
    before = sorted(data.iterdir())
    done = rtsep("train", *command.split(), n_ranks=n_ranks, cwd=data)
    assert done.code == 2
    assert words in done.line
    assert sorted(data.iterdir()) == before


@pytest.fixture
def at_work(tmp_path: Path, data: Path) -> Iterator[Launched]:
    """Two ranks that would draw mixtures for a long time; what they write goes to `tmp_path`."""
    command = ("train", "dictionary", data / "long.toml", "--data", data, "--out", tmp_path / "new.safetensors")
    with Launched("-m", "rtsep.cli", *command, n_ranks=2) as launched:
        assert launched.hear().startswith("mixtures: 0%")
        yield launched


def test_ctrl_c_ends_all_ranks_in_one_line_and_leaves_nothing(tmp_path: Path, at_work: Launched) -> None:
    at_work.signal(signal.SIGINT)
    done = at_work.finish(seconds=10)
    assert (done.code, done.stderr.splitlines()[-1]) == (1, "rtsep: interrupted")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_ranks_do_not_outlive_a_launcher_that_is_killed(tmp_path: Path, at_work: Launched) -> None:
    at_work.signal(signal.SIGKILL)
    assert at_work.finish(seconds=20).code == -signal.SIGKILL
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("rank", [0, 2])
def test_what_one_rank_cannot_do_is_told_once_and_ends_all(rank: int) -> None:
    done = run(PROGRAM, f"rank {rank} refuses", n_ranks=3)
    assert (done.code, done.line) == (2, "rtsep: song: is damaged; fetch it again")


def test_sums_over_ranks() -> None:
    done = run(PROGRAM, "sum", n_ranks=3)
    assert (done.code, done.stdout.split(), done.stderr) == (0, ["6.0", "4096.0"], "")


@pytest.mark.parametrize("rank", [0, 2])
def test_an_unforeseen_error_in_a_rank_shows_its_traceback_once_and_ends_all(rank: int) -> None:
    done = run(PROGRAM, f"rank {rank} raises", n_ranks=3)
    assert done.code == 1
    assert done.stderr.count(f"ArithmeticError: rank {rank} cannot\n") == 1
