"""`rtsep train --run`: what was interrupted goes on to the same bits, alone or on ranks; and what the folder tells."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import demo_song
import pytest
from launch import Launched, rtsep
from small_recipe import recipe

from rtsep.model_file import load_model
from rtsep.training.curves import COLUMNS, read_curve

LONG = {"mixtures": 12, "patches": 700, "epochs": 60, "ridge": "0.001\nepochs = 200"}
LONG["mask_exponent"] = "1.0\n[tuning]\nsteps = 60\npermutations = 1"
MINIBATCHES = 60 * 2
ROWS = {"dictionary": MINIBATCHES, "decoder": 201, "tuning": 3}
RUN_FILES = ["curves.png", "decoder.csv", "decoder.state.safetensors", "dictionary.csv"]
RUN_FILES += ["dictionary.state.safetensors", "recipe.toml", "run.json", "tuning.csv", "tuning.state.safetensors"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of 4 s, a recipe, the model `whole.safetensors` of an undisturbed run, and that run's folder `whole`."""
    folder = tmp_path_factory.mktemp("data")
    demo_song.write_stems(folder / "songs" / "Song", 0, 4)
    (folder / "recipe.toml").write_text(recipe(**LONG))
    done = rtsep(*train("whole.safetensors", "whole"), cwd=folder)
    assert done.code == 0, done.stderr
    return folder


def train(out: object, run: object) -> list[object]:
    return ["train", "sparse", "recipe.toml", "--data", ".", "--out", out, "--run", run]


@pytest.mark.parametrize(
    ("stage", "n_ranks_before", "n_ranks"), [("dictionary", 0, 2), ("decoder", 2, 0), ("tuning", 0, 2)]
)
def test_what_was_interrupted_goes_on_to_the_same_bits(
    tmp_path: Path, data: Path, stage: str, n_ranks_before: int, n_ranks: int
) -> None:
    out, run = tmp_path / "model.safetensors", tmp_path / "run"
    with Launched("-m", "rtsep.cli", *train(out, run), n_ranks=n_ranks_before, cwd=data) as launched:
        launched.wait_for((run / f"{stage}.csv").exists)
        launched.signal(signal.SIGINT)
        done = launched.finish()
    assert done.code == (1 if n_ranks_before else 130)
    # It goes to the launcher's own stderr, which on a busy machine may pass on a rank's line of progress after it.
    assert done.stderr.splitlines().count("rtsep: interrupted") == 1
    assert not out.exists()
    assert (run / "decoder.csv").exists() == (stage != "dictionary")
    n_kept = len(read_curve(run / f"{stage}.csv")[COLUMNS[stage][0]])
    assert 1 <= n_kept < ROWS[stage]

    done = rtsep(*train(out, run), n_ranks=n_ranks, cwd=data)
    assert done.code == 0, done.stderr
    assert f"{stage}: 0%" not in done.stderr
    assert out.read_bytes() == (data / "whole.safetensors").read_bytes()
    for name in RUN_FILES:
        if name != "curves.png":
            assert (run / name).read_bytes() == (data / "whole" / name).read_bytes(), name
    assert sorted(os.listdir(run)) == RUN_FILES


def test_the_folder_tells_how_it_went(data: Path) -> None:
    dictionary, decoder = (read_curve(data / "whole" / f"{stage}.csv") for stage in ("dictionary", "decoder"))
    assert dictionary["minibatch"].tolist() == list(range(1, MINIBATCHES + 1))
    assert dictionary["energy"][-10:].mean() < 0.9 * dictionary["energy"][0]
    assert set(dictionary["atoms_in_use"] + dictionary["reseeded"]) == {24}
    assert decoder["epoch"].tolist() == list(range(201))
    assert decoder["loss"][-1] < 0.5 * decoder["loss"][0]
    assert decoder["held_out_loss"][-1] < 0.7 * decoder["held_out_loss"][0]
    notes = load_model(str(data / "whole.safetensors")).notes
    assert notes["loss"] == pytest.approx(decoder["loss"][-1], abs=1e-5)
    assert notes["held_out_loss"] == pytest.approx(decoder["held_out_loss"][-1], abs=1e-5)
    assert sorted(os.listdir(data / "whole")) == RUN_FILES


def test_a_run_that_is_done_gives_its_result_again_at_once(tmp_path: Path, data: Path) -> None:
    done = rtsep(*train(tmp_path / "again.safetensors", data / "whole"), cwd=data)
    assert done.code == 0, done.stderr
    assert "dictionary: " not in done.stderr
    assert "decoder: " not in done.stderr
    assert (tmp_path / "again.safetensors").read_bytes() == (data / "whole.safetensors").read_bytes()


def test_the_run_of_another_recipe_is_one_line(tmp_path: Path, data: Path) -> None:
    (data / "other.toml").write_text(recipe(**LONG, seed=4))
    command = ["train", "sparse", "other.toml", "--data", ".", "--out", tmp_path / "new.safetensors"]
    for n_ranks in (0, 2):
        done = rtsep(*command, "--run", "whole", n_ranks=n_ranks, cwd=data)
        assert done.code == 2
        assert "run folder whole was begun with another seed, 3 and not 4" in done.line
    done = rtsep(*command, "--run", "recipe.toml", cwd=data)
    assert done.code == 2
    assert "recipe.toml is no folder that can be written to" in done.line
    assert os.listdir(tmp_path) == []
