"""What a network learns from: examples that hear what a separator hears; and the latency of the shipped recipes."""

from pathlib import Path

import demo_song
import numpy as np
import pytest
from small_timbrenet import CQT_SPEC, SIZES, STFT_SPEC

from rtsep.timbrenet.features import Features, band_views
from rtsep.training.drawing import analyze_stems
from rtsep.training.timbre_data import make_example
from rtsep.training.timbre_recipe import read_timbre_recipe

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("spec", [CQT_SPEC, STFT_SPEC], ids=["cqt", "stft"])
def test_errors_of_filters_follow_from_an_example(spec):
    frontend, stems, channel = spec.build(), demo_song.stems(5, 1), 1
    example = make_example(analyze_stems(stems, frontend), channel, frontend, SIZES)
    at = 5
    slices = stems[:, at * frontend.hop :][:, : frontend.slice_length, [channel]]
    parts = [frontend.analyze(s) for s in (slices.sum(axis=0), *slices)]
    f = 0.3
    for stem, part in enumerate(parts[1:]):
        expected = frontend.band_power(f * parts[0] - part)[0]
        mixture, cross, power = (a[at] for a in (example.mixture, example.cross[stem], example.power[stem]))
        scale = frontend.band_power(parts[0]).sum() / mixture.sum()
        found = scale * (f * f * mixture - 2 * f * cross + power)
        assert np.abs(found - expected).sum() < 1e-4 * expected.sum()
    assert np.allclose(example.cross.sum(0), example.mixture, atol=1e-4 * example.mixture.max())


def test_features_of_an_example_are_those_that_a_separator_hears():
    frontend, stems, channel = CQT_SPEC.build(), demo_song.stems(5, 1), 1
    example = make_example(analyze_stems(stems, frontend), channel, frontend, SIZES)
    listen = Features(SIZES.level_slices, SIZES.compression)
    mixture = stems.sum(axis=0)
    for s in range(len(example.features)):
        piece = mixture[s * frontend.hop :][: frontend.slice_length]
        heard = listen.push(band_views(frontend, frontend.analyze(piece)[None])[0])
        assert np.allclose(example.features[s], heard[channel], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("name", "milliseconds"), [("timbrenet-4stems", 93), ("timbrenet-4stems-lowlatency", 25)])
def test_recipes_keep_their_latency(name, milliseconds):
    recipe = read_timbre_recipe(ROOT / "recipes" / f"{name}.toml")
    assert recipe.spec.build().latency / 44.1 <= milliseconds
    assert "4_Potassium" in recipe.held_out
