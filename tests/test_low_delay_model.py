"""The low-delay recipe makes a model that separates within 12 ms: trained on half a song, heard on the other half."""

from dataclasses import replace
from pathlib import Path

import demo_song
import numpy as np
import pytest

import rtsep
from rtsep.separator import SparseSeparator
from rtsep.training.fit_sparse import FitJob, fit_sparse
from rtsep.training.recipe import read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "stft-sparse-lowdelay.toml"


@pytest.fixture(scope="module")
def separator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    demo_song.write_stems(folder / "songs" / "First", 0, 10)
    whole = read_recipe(RECIPE)
    small = {"datasets": (), "held_out": (), "mixtures": 6, "atoms": 64, "dictionary_patches": 1000}
    recipe = replace(whole, **small, tuning=replace(whole.tuning, steps=3))
    return SparseSeparator(fit_sparse(FitJob(recipe, folder, 1, lambda *_: None)))


def test_it_hears_less_than_12_ms_of_the_future(separator):
    assert separator.shape.latency / separator.sample_rate <= 0.012


def test_stems_of_what_it_has_not_heard_are_nearer_than_the_mixture(separator):
    true = demo_song.stems(10, 4)
    stems = rtsep.separate(true.sum(axis=0), 44100, separator)
    gains = 10 * np.log10(np.sum((true.sum(axis=0) - true) ** 2, (1, 2)) / np.sum((stems - true) ** 2, (1, 2)))
    assert gains.min() > 3.0
