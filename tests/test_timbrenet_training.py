"""Training a TimbreNet: it learns, goes on where it stopped, and says what it lacks."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

import demo_song
import numpy as np
import pytest
import torch
from small_timbre_recipe import RECIPE, silent, write_songs

import rtsep
from rtsep.commands.train_timbrenet import share_out
from rtsep.errors import ModelError, OptionError
from rtsep.sparse.ranks import ONE_RANK
from rtsep.timbrenet.separator import TimbreSeparator
from rtsep.training.curves import read_curve
from rtsep.training.drawing import Drawer, drawing
from rtsep.training.fit_timbrenet import evaluate, fit_timbrenet, learning_rate, put_in_order
from rtsep.training.learner import begin
from rtsep.training.run_folder import RunFolder
from rtsep.training.timbre_data import make_example
from rtsep.training.timbre_recipe import Schedule, read_timbre_recipe
from rtsep.types import STEMS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe(data):
    return read_timbre_recipe(data / "recipe.toml")


@pytest.fixture(scope="module")
def trained(data, recipe):
    """The model, and the folder of its run."""
    run = RunFolder(data / "run", ONE_RANK)
    return fit_timbrenet(recipe, data, "cpu", 0, silent, run), run.path


def test_examples_are_the_same_for_any_number_of_processes(data, recipe):
    mixer, _ = recipe.mixers(recipe.sources(data))
    drawer = Drawer(mixer, recipe.spec, partial(make_example, sizes=recipe.sizes), permutations=2)
    drawn = []
    for processes in (0, 2):
        with drawing([drawer], processes, 2) as draw:
            drawn.append(list(draw(0, range(1, 3))))
    assert len(drawn[0]) == 2 * drawer.group_size == 32
    for one, two in zip(*drawn, strict=True):
        assert np.array_equal(one.features, two.features)
        assert np.array_equal(one.cross, two.cross)


def test_permuted_examples_have_the_stems_of_the_mixtures_in_other_company(data, recipe):
    mixer, _ = recipe.mixers(recipe.sources(data))
    examples = Drawer(mixer, recipe.spec, partial(make_example, sizes=recipe.sizes), permutations=3).draw(3)
    mixtures = {distribution(example.mixture) for example in examples}
    assert len(mixtures) == len(examples) == 24
    for stem in range(len(STEMS)):
        heard = {distribution(example.power[stem]) for example in examples}
        assert len(heard) <= 2 * 8  # left and right of the eight that were drawn
    for example in examples:
        assert np.allclose(example.cross.sum(0), example.mixture, atol=1e-3 * example.mixture.max())


def distribution(energies):
    """How energies lie over time and bands, whatever the unit."""
    share = energies.astype(np.float64) / max(energies.sum(), 1e-20)
    return tuple(np.round(share[::3, ::5].ravel(), 7))


def test_validation_songs_are_not_learned_from(data, recipe):
    sources = recipe.sources(data)
    for mixer, songs in zip(recipe.mixers(sources), ({"First"}, {"Second"}), strict=True):
        assert {source.song for group in mixer._by_stem.values() for source in group} == songs
    with pytest.raises(OptionError, match="'Third' is not among the recordings"):
        replace(recipe, validation=("Third",)).mixers(sources)


def test_training_lowers_the_loss_on_what_is_held_out(trained):
    curve = read_curve(trained[1] / "timbrenet.csv")
    assert curve["loss"][-1] < curve["loss"][0] - 1.0
    assert curve["held_out_loss"][-1] < curve["held_out_loss"][0]


def test_stems_of_what_it_has_not_heard_are_nearer_than_the_mixture(trained):
    true = demo_song.stems(10, 6)
    mixture = true.sum(axis=0)
    stems = rtsep.separate(mixture, 44100, TimbreSeparator(trained[0]))
    gains = 10 * np.log10(np.sum((mixture - true) ** 2, (1, 2)) / np.sum((stems - true) ** 2, (1, 2)))
    assert gains.min() > 4.0
    assert np.abs(stems.sum(axis=0) - mixture).max() < 1e-5


def test_training_that_was_stopped_goes_on_to_the_same_bits(data, recipe, trained):
    short = RunFolder(data / "stopped", ONE_RANK)

    def stop_in_the_third_epoch(_stage, share, _words):
        if share > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_timbrenet(recipe, data, "cpu", 0, stop_in_the_third_epoch, short)
    assert len(read_curve(short.path / "timbrenet.csv")["epoch"]) == 2
    again = fit_timbrenet(recipe, data, "cpu", 0, silent, short)
    assert all(np.array_equal(again.weights[name], array) for name, array in trained[0].weights.items())
    assert not np.array_equal(again.weights["time0"], 0 * again.weights["time0"])
    for name in ("timbrenet.csv", "run.json", "recipe.toml"):
        assert (short.path / name).read_bytes() == (trained[1] / name).read_bytes()


@pytest.mark.parametrize("name", ["average.mix.weight", "network.blocks.0.time.weight"])
def test_a_state_of_another_network_is_refused_in_one_line(name, data, recipe, trained):
    state = RunFolder(trained[1], ONE_RANK).state("timbrenet")
    for wrong in ({n: a for n, a in state.items() if n != name}, {**state, name: state[name][:1]}):
        other = RunFolder(data / f"other-{len(wrong)}", ONE_RANK)
        other.begin(recipe, recipe.sources(data))
        other.keep("timbrenet", wrong)
        with pytest.raises(ModelError, match=r"^state of a network that .*: train on with .*"):
            fit_timbrenet(recipe, data, "cpu", 0, silent, other)


def test_order_free_training_learns_too(data, recipe):
    schedule = replace(recipe.schedule, sharpness=0.5)
    run = RunFolder(data / "free", ONE_RANK)
    fit_timbrenet(replace(recipe, schedule=schedule), data, "cpu", 0, silent, run)
    curve = read_curve(run.path / "timbrenet.csv")
    assert curve["held_out_loss"][-1] < curve["held_out_loss"][0]


def test_outputs_whose_order_was_free_are_put_into_the_one_that_fits_best(data, recipe):
    mixer, _ = recipe.mixers(recipe.sources(data))
    examples = Drawer(mixer, recipe.spec, partial(make_example, sizes=recipe.sizes)).draw(0)
    network = begin(recipe, torch.device("cpu")).average
    fixed = []
    for order in permutations(range(4)):
        other = copy.deepcopy(network)
        other.mix.weight.copy_(network.mix.weight[list(order)])
        fixed.append(evaluate(other, recipe.schedule, examples))
    put_in_order(network, recipe.schedule, examples)
    assert evaluate(network, recipe.schedule, examples) == pytest.approx(min(fixed), rel=1e-6)
    assert max(fixed) > min(fixed) + 1e-3


@pytest.mark.parametrize(("device", "shares"), [("cpu", [(0, 1), (1, 1), (1, 2), (8, 8)]), ("cuda", [(0, 1), (15, 1)])])
def test_drawing_and_learning_share_the_cores(device, shares):
    assert [share_out(sum(share), device) for share in shares] == shares


def test_learning_rate_rises_and_falls():
    schedule = Schedule(epochs=10, examples=80, batch=4, learning_rate=0.5)
    rates = np.array([learning_rate(schedule, step) for step in range(200)])
    top = rates.argmax()
    assert rates.max() == pytest.approx(0.5)
    assert top == 9
    assert (np.diff(rates)[:top] > 0).all()
    assert (np.diff(rates)[top:] < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def rtsep_train(data, *options, path=""):
    return subprocess.run(
        [sys.executable, "-m", "rtsep.cli", "train", "timbrenet", *options],
        cwd=data,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([path, str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_makes_a_model_that_can_be_loaded_and_draws_its_curve(data):
    text = RECIPE.replace("examples = 48", "examples = 4").replace("epochs = 3", "epochs = 1")
    (data / "short.toml").write_text(text)
    done = rtsep_train(data, "short.toml", "--data", ".", "--out", "short.safetensors", "--run", "short")
    assert done.returncode == 0, done.stderr
    assert "held-out loss" in done.stdout
    assert rtsep.load_separator(str(data / "short.safetensors")).stems == STEMS
    assert (data / "short" / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("recipe.toml", "--data", ".", "--out", "m.bin"), "must end in .safetensors"),
        (("recipe.toml", "--data", "nowhere", "--out", "m.safetensors"), "data folder nowhere"),
        (("wrong.toml", "--data", ".", "--out", "m.safetensors"), "recipe wrong.toml"),
        (("none.toml", "--data", ".", "--out", "m.safetensors"), "recipe none.toml cannot be read"),
        (("recipe.toml", "--data", ".", "--out", "m.safetensors", "--device", "cuda"), "take --device cpu"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(data, options, words):
    (data / "wrong.toml").write_text(RECIPE.replace("batch = 4", "batch = 400"))
    done = rtsep_train(data, *options)
    assert_refused(done, words)


def test_missing_torch_is_told_in_one_line(data, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")\n")
    options = ("recipe.toml", "--data", ".", "--out", "m.safetensors")
    assert_refused(rtsep_train(data, *options, path=str(tmp_path)), "pip install 'rtsep[timbrenet]'")


def assert_refused(done, words):
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
