"""Real music: every column of the bundled song reaches its duality gap, in float64, far from any cap on iterations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_solvers import Problem
from test_solvers_signed import gap as signed_gap

from rtsep.model_file import load_model
from rtsep.sparse.dictionary import Dictionary, normalise
from rtsep.sparse.solvers import MAX_ROUNDS, lca_rate, solve_cd, solve_lca
from rtsep.training.examples import mixture_examples

SONG = Path(__file__).parents[1] / "demo" / "song.flac"


@pytest.fixture(scope="module")
def song() -> Problem:
    """The patches of the song as the default model sees them, whitened, and its atoms."""
    mixture = soundfile.read(SONG, dtype="float32", always_2d=True)[0].mean(axis=1)
    model = load_model("cqt-sparse")
    patches = mixture_examples(mixture[None], model.spec, model.patch_columns, model.compression).patches
    atoms = model.dictionary.whitened(model.whitening).matrix
    return Problem(atoms, normalise(patches @ model.whitening), model.sparsity)


@pytest.fixture(scope="module")
def raw_song(song: Problem) -> Problem:
    """Half of the song's columns as atoms, the other half as patches, not whitened: all resemble each other."""
    bands = np.abs(song.patches)[:, : song.patches.shape[1] // 4]
    return Problem(Dictionary.from_matrix(bands[::2], 1).matrix, normalise(bands[1::2]), 0.05)


def check_gaps(problem: Problem, nonnegative: bool) -> None:
    result = solve_cd(*problem.seen, nonnegative=nonnegative)
    exact = (problem.gap if nonnegative else lambda codes: signed_gap(problem, codes))(result.codes)
    audible = np.sum(problem.patches**2, axis=1) > 0
    assert np.count_nonzero(audible) > 400
    assert np.all(result.gap <= 1e-3)
    assert np.all(exact[audible] <= 1.02e-3)
    assert result.iterations.max() < MAX_ROUNDS // 10


@pytest.mark.parametrize("nonnegative", [True, False])
def test_every_column_of_the_song_reaches_the_gap(song, nonnegative) -> None:
    check_gaps(song, nonnegative)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_every_column_reaches_the_gap_where_atoms_resemble_each_other(raw_song, nonnegative) -> None:
    check_gaps(raw_song, nonnegative)


def test_dynamics_end_where_coordinate_descent_does(song) -> None:
    few = Problem(song.atoms, song.patches[::20], song.lam)
    dynamics = solve_lca(*few.seen, rate=lca_rate(few.seen[0]))
    np.testing.assert_allclose(few.objective(dynamics.codes), few.objective(solve_cd(*few.seen).codes), rtol=1e-3)
