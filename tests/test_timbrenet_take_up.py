"""A TimbreNet that goes on from one that has learned already, as it was or wider."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from small_timbre_recipe import silent, write_songs

from rtsep.errors import ModelError, OptionError
from rtsep.timbrenet.model import load_timbrenet, save_timbrenet
from rtsep.timbrenet.network import export
from rtsep.training.drawing import Drawer, stack
from rtsep.training.fit_timbrenet import evaluate, fit_timbrenet
from rtsep.training.learner import begin
from rtsep.training.take_up import lay_into, take_up
from rtsep.training.timbre_data import make_example
from rtsep.training.timbre_recipe import read_timbre_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe(data):
    """Of one short epoch."""
    whole = read_timbre_recipe(data / "recipe.toml")
    return replace(whole, schedule=replace(whole.schedule, epochs=1))


@pytest.fixture(scope="module")
def first(data, recipe):
    """The file of a network that has learned a little, and its held-out loss."""
    model = fit_timbrenet(recipe, data, "cpu", 0, silent)
    path = data / "first.safetensors"
    save_timbrenet(model, path)
    return path, model.notes["held_out_loss"]


def test_what_is_taken_up_computes_what_it_did_and_learns_on_from_there(data, recipe, first):
    path, loss = first
    model = load_timbrenet(str(path))
    mixer, _ = recipe.mixers(recipe.sources(data))
    examples = Drawer(mixer, recipe.spec, partial(make_example, sizes=recipe.sizes)).draw(0)
    taken = begin(recipe, torch.device("cpu"))
    take_up(taken.average, model, lambda network: evaluate(network, recipe.schedule, examples))
    exported = export(taken.average)
    for name, array in model.weights.items():
        assert np.allclose(exported[name], array, rtol=1e-3, atol=1e-4), name
    # Normalized by what it hears now, as in training, it computes nearly the same.
    features = torch.from_numpy(stack(examples).features)
    normalizing = copy.deepcopy(taken.average).train()
    assert (normalizing(features) - taken.average(features)).abs().mean() < 0.02

    further = fit_timbrenet(barely_learning(recipe, path), data, "cpu", 0, silent)
    assert further.notes["held_out_loss"] == pytest.approx(loss, abs=0.05)
    assert further.notes["begun_with"] == model.notes


WIDER = {"channels": 13, "bottleneck": 11}


def test_a_wider_network_begins_as_the_one_that_it_is_laid_around_and_all_of_it_learns(data, recipe, first):
    small = begin(recipe, torch.device("cpu")).average
    wide = begin(replace(recipe, sizes=replace(recipe.sizes, **WIDER)), torch.device("cpu"))
    mixer, _ = recipe.mixers(recipe.sources(data))
    examples = Drawer(mixer, recipe.spec, partial(make_example, sizes=recipe.sizes)).draw(0)
    features = torch.from_numpy(stack(examples).features)
    assert not torch.allclose(wide.average(features), small(features), atol=0.01)
    lay_into(wide.average, small)
    lay_into(wide.network, small)
    torch.testing.assert_close(wide.average(features), small(features), rtol=0, atol=1e-6)
    # What listens to the new channels learns at once; each new row has weights that will then matter.
    (wide.network(features)[:, 0] ** 2).mean().backward()
    channels, n = small.enter.out_channels, wide.network.enter.out_channels
    for block in wide.network.blocks:
        assert (block.time.weight.grad[:channels, channels:n] != 0).any()
        assert (block.widen.weight.grad[:, small.blocks[0].narrow.out_features :] != 0).any()
        assert (block.time.weight[channels:] != 0).all()

    path, loss = first
    wider = replace(recipe, sizes=replace(recipe.sizes, **WIDER))
    further = fit_timbrenet(barely_learning(wider, path), data, "cpu", 0, silent)
    assert further.sizes.channels == 13
    assert further.notes["held_out_loss"] == pytest.approx(loss, abs=0.05)


def barely_learning(recipe, path):
    """The recipe with so small steps that what it goes on from stays as it is."""
    return replace(recipe, schedule=replace(recipe.schedule, examples=4, learning_rate=1e-9, begin_with=str(path)))


@pytest.mark.parametrize(
    ("sizes", "begin_with", "words"),
    [
        ({}, "timbrenet-quartet", "begin_with timbrenet-quartet: its stems is .*violin.*, the recipe's .*bass"),
        ({}, "timbrenet-4stems", "its kind is cqt, the recipe's stft"),
        ({}, "nothing.safetensors", "nothing.safetensors"),
        ({"channels": 7}, "first.safetensors", "its channels is 8, the recipe's 7; only channels and bottleneck can"),
        ({"timbres": 9}, "first.safetensors", "its timbres is 8, the recipe's 9; only"),
    ],
)
def test_a_model_that_cannot_be_taken_up_is_told_of(sizes, begin_with, words, data, recipe, first, monkeypatch):
    monkeypatch.chdir(data)
    schedule = replace(recipe.schedule, begin_with=begin_with)
    other = replace(recipe, sizes=replace(recipe.sizes, **sizes), schedule=schedule)
    with pytest.raises((OptionError, ModelError), match=words):
        fit_timbrenet(other, data, "cpu", 0, silent)
