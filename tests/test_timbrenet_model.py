"""TimbreNets on disk and in a run: what is saved is what is loaded, and separates by `rtsep run` and under mpirun."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import demo_song
import numpy as np
import pytest
import soundfile
from small_timbrenet import SIZES, small_timbrenet, write_small_timbrenet

import rtsep
from rtsep.errors import AudioError, ModelError, OptionError
from rtsep.timbrenet.layers import Sizes
from rtsep.timbrenet.model import load_timbrenet, save_timbrenet
from rtsep.types import STEMS

ROOT = Path(__file__).resolve().parents[1]


def test_saved_and_loaded_are_the_same_but_for_rounding(tmp_path):
    model = replace(small_timbrenet(), notes={"seed": 3})
    path = tmp_path / "m.safetensors"
    save_timbrenet(model, path)
    again = load_timbrenet(str(path))
    assert (again.stems, again.spec, again.sizes, again.notes) == (model.stems, model.spec, model.sizes, model.notes)
    for name, array in model.weights.items():
        assert np.allclose(again.weights[name], array, rtol=1e-3, atol=1e-6)


def test_weights_that_do_not_fit_are_one_clear_line(tmp_path):
    path, model = tmp_path / "m.safetensors", small_timbrenet()
    weights = model.weights
    for wrong, words in (
        (replace(model, weights=weights | {"time1": weights["time1"][:-1]}), r"time1 .* does not fit"),
        (replace(model, weights=weights | {"mix": weights["mix"] * np.nan}), "not numbers"),
        (replace(model, weights={n: a for n, a in weights.items() if n != "leave0"}), "leave0 missing"),
        (replace(model, weights=weights | {"time9": weights["time0"]}), "time9 unknown"),
        (replace(model, stems=("../bass", *STEMS[1:])), "plain words"),
        (replace(model, sizes=replace(SIZES, dilations=(1, 2, 4))), "missing"),
    ):
        save_timbrenet(wrong, path)
        with pytest.raises(ModelError, match=words) as caught:
            rtsep.load_separator(str(path))
        assert "\n" not in str(caught.value)
        assert "fetch or train it again" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0},
        {"partial_channels": 0},
        {"dilations": ()},
        {"dilations": (1, 0)},
        {"level_slices": 0},
        {"compression": 0.0},
        {"ratios": ()},
        {"ratios": (1.0, 0.0)},
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong):
    table = {"channels": 4, "partial_channels": 2, "dilations": (1,), "bottleneck": 4, "timbres": 4}
    table |= {"level_slices": 4, "compression": 0.3}
    Sizes(**table)
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Sizes(**table | wrong)


def test_chunks_that_are_not_finite_are_refused(tmp_path):
    separator = rtsep.load_separator(str(write_small_timbrenet(tmp_path / "m.safetensors")))
    chunk = np.zeros((separator.shape.input_length, 2), np.float32)
    chunk[5] = np.inf
    with pytest.raises(AudioError, match="not finite"):
        separator.separate(chunk)


def test_one_process_and_two_ranks_write_the_same_stems_and_need_no_torch(tmp_path):
    write_small_timbrenet(tmp_path / "m.safetensors")
    soundfile.write(tmp_path / "song.wav", demo_song.mixture(3, 4), 44100)
    (tmp_path / "torch.py").write_text("raise ImportError('torch is not needed to run a model')\n")
    command = [sys.executable, str(ROOT / "run_rt.py"), "song.wav", "--model", "m.safetensors", "--report"]
    mpirun = [str(Path(sys.executable).with_name("mpirun")), "-n", "2"]
    for launcher, out in (([], "one"), (mpirun, "two")):
        (tmp_path / out).mkdir()
        done = subprocess.run(
            [*launcher, *command, f"{out}.json", "--out", out],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "two.json").read_text())
    assert (report["ranks"], report["solver"], report["frontend"]) == (2, "network", "cqt")
    for stem in STEMS:
        one, two = (soundfile.read(tmp_path / out / "song.stems" / f"{stem}.wav")[0] for out in ("one", "two"))
        assert np.abs(one).max() > 1e-3
        assert np.array_equal(one, two)
