"""A TimbreNet trained by several ranks: they share each batch, and all of them take the same steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from launch import rtsep
from small_timbre_recipe import RECIPE, silent, write_songs
from thread_ranks import ThreadRanks, on_ranks

from rtsep.errors import RtsepError
from rtsep.sparse.ranks import Ranks
from rtsep.timbrenet.model import TimbreModel, load_timbrenet, save_timbrenet
from rtsep.timbrenet.network import export
from rtsep.training.fit_timbrenet import fit_timbrenet
from rtsep.training.learner import average_gradients, begin
from rtsep.training.run_folder import NOTHING_KEPT, Keeper, RunFolder
from rtsep.training.timbre_recipe import TimbreRecipe, read_timbre_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_songs(tmp_path_factory.mktemp("data"))
    short = RECIPE.replace("epochs = 3", "epochs = 2").replace("examples = 48", "examples = 16")
    (folder / "short.toml").write_text(short)
    return folder


@pytest.fixture(scope="module")
def recipe(data: Path) -> TimbreRecipe:
    """It goes on from a file: ranks that are threads share torch's random numbers, of which weights are made."""
    short = read_timbre_recipe(data / "short.toml")
    path = data / "untrained.safetensors"
    weights = export(begin(short, torch.device("cpu")).average)
    save_timbrenet(TimbreModel(short.stems, 44100, short.spec, short.sizes, weights), path)
    return replace(short, schedule=replace(short.schedule, begin_with=str(path)))


def test_gradients_are_averaged_over_the_ranks() -> None:
    def task(ranks: ThreadRanks) -> list[np.ndarray]:
        parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,), (1,))]
        for i, parameter in enumerate(parameters[:2]):  # the last one takes no part
            parameter.grad = torch.arange(parameter.numel()).reshape(parameter.shape) + 10.0 * i + 100.0 * ranks.rank
        average_gradients(parameters, ranks)
        assert parameters[2].grad is None
        return [parameter.grad.numpy() for parameter in parameters[:2]]

    for gradients in on_ranks(3, task):
        np.testing.assert_array_equal(gradients[0], np.arange(6).reshape(2, 3) + 100.0)
        np.testing.assert_array_equal(gradients[1], np.arange(4) + 110.0)


def test_ranks_learn_from_examples_of_their_own_and_end_with_the_same_weights(data: Path, recipe: TimbreRecipe) -> None:
    heard = [set[float](), set[float]()]

    def task(ranks: ThreadRanks) -> TimbreModel:
        def note(stage: str, share: float, words: str) -> None:
            heard[ranks.rank].add(float(words.split()[2].rstrip(",")))

        return fit_timbrenet(recipe, data, "cpu", 0, note, NOTHING_KEPT, ranks)

    first, second = on_ranks(2, task)
    assert heard[0] != heard[1]
    # Normalizations, which depend on what each has heard, are folded into the others.
    for name in ("narrow0", "narrow1", "widen0", "widen1", "timbre", "mix", "mix_bias"):
        np.testing.assert_array_equal(first.weights[name], second.weights[name], err_msg=name)
    alone = fit_timbrenet(recipe, data, "cpu", 0, silent)
    assert (alone.weights["mix"] != first.weights["mix"]).any()


def test_ranks_go_on_where_they_stopped_to_the_same_bits(data: Path, recipe: TimbreRecipe, tmp_path: Path) -> None:
    def fit(ranks: Ranks, keeper: Keeper, epochs: int = 2) -> TimbreModel:
        def stop_after(stage: str, share: float, words: str) -> None:
            if share > epochs / 2:
                raise RtsepError("stopped")

        return fit_timbrenet(recipe, data, "cpu", 0, stop_after, keeper, ranks)

    whole = on_ranks(2, lambda ranks: fit(ranks, NOTHING_KEPT))[0]
    with pytest.raises(RtsepError, match="stopped"):
        on_ranks(2, lambda ranks: fit(ranks, RunFolder(tmp_path, ranks), epochs=1))
    again = on_ranks(2, lambda ranks: fit(ranks, RunFolder(tmp_path, ranks)))[0]
    for name, weights in whole.weights.items():
        np.testing.assert_array_equal(again.weights[name], weights, err_msg=name)
    assert again.notes["epochs"] == 2


def test_under_mpirun_rank_0_writes_the_model(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    command = ("train", "timbrenet", "short.toml", "--data", ".", "--out", out, "--run", tmp_path / "run")
    done = rtsep(*command, n_ranks=2, cwd=data)
    assert done.code == 0, done.stderr
    assert done.stdout.count("held-out loss") == 1
    assert sum(line.startswith("timbrenet: 100%") for line in done.stderr.splitlines()) == 1
    assert load_timbrenet(str(out)).notes["epochs"] == 2
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000


def test_ranks_that_cannot_share_a_batch_are_told_so_in_one_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    done = rtsep("train", "timbrenet", "short.toml", "--data", ".", "--out", out, n_ranks=3, cwd=data)
    assert done.code == 2
    assert done.line.endswith(
        "3 ranks: they cannot have equal shares of the recipe's batch of 4; start as many as divide it"
    )
    assert not out.exists()
