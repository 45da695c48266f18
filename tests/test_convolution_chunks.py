"""Chunks with margins are coded as in one piece: the error falls with the margin, on music as on made-up atoms."""

from functools import cache

import numpy as np
import pytest
from convolution_reference import make_problem
from demo_song import mixture
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsep.errors import OptionError
from rtsep.frontend.features import ColumnGrid, Columns, compress
from rtsep.model_file import load_model
from rtsep.sparse.convolution import Convolution
from rtsep.sparse.convolution_chunks import solve_between_margins
from rtsep.sparse.convolution_solvers import solve_convolutional_cd
from rtsep.sparse.dictionary import Dictionary

LAM = 0.05  # of the median norm of T columns
CHUNK = 16


@cache
def music() -> tuple[Convolution, np.ndarray]:
    """Every eighth atom of the default model, and 6 s of the demo song as it sees them."""
    model = load_model("cqt-sparse")
    frontend = model.frontend()
    grid = ColumnGrid(frontend, 1)
    audio = mixture(4.0, 6.0).mean(axis=1, keepdims=True)
    newest = Columns(grid, 1, frontend.n_bands)
    power = [
        newest.push(frontend.band_power(frontend.analyze(audio[start : start + frontend.slice_length])))
        for start in range(0, len(audio) - frontend.slice_length, frontend.hop)
    ]
    complete = [patches[0, : frontend.columns_per_hop, 0] for patches in power[grid.context_slices :]]
    columns = compress(np.concatenate(complete), model.compression)
    atoms = Dictionary(np.ascontiguousarray(model.dictionary.atoms[::8]))
    patches = np.lib.stride_tricks.sliding_window_view(columns, atoms.n_columns, axis=0)
    return Convolution(atoms), columns / np.median(np.linalg.norm(patches, axis=(1, 2)))


def error_inside(convolution: Convolution, columns: np.ndarray, margin: int) -> float:
    """Relative difference of the reconstructions of all chunks that have full margins, and of the whole stretch."""
    whole = solve_convolutional_cd(convolution, columns, LAM, 1e-5)
    expected = convolution.reconstruct(whole.codes, len(columns))
    difference, total = 0.0, 0.0
    for start in range(48, len(columns) - 48 - CHUNK, CHUNK):
        stop = start + CHUNK
        chunk = columns[start - margin : stop + margin]
        inside = solve_between_margins(convolution, chunk, (margin, margin), LAM, 1e-5)
        made = convolution.reconstruct(inside.codes, CHUNK)
        difference += float(np.sum((made - expected[start:stop]) ** 2))
        total += float(np.sum(expected[start:stop] ** 2))
    return (difference / total) ** 0.5


@pytest.mark.parametrize(
    ("margin", "least", "most"), [(0, 0.03, 0.2), (14, 0.0, 0.04), (28, 0.0, 0.01), (42, 0.0, 0.002)]
)
def test_error_of_chunks_falls_with_their_margin(margin, least, most):
    """T = 8: margins of 0, 2, 4 and 6 times T - 1 columns."""
    assert least <= error_inside(*music(), margin) <= most


@settings(max_examples=30, deadline=None)
@given(before=st.integers(0, 4), after=st.integers(0, 5), stride=st.integers(1, 3), seed=st.integers(0, 99))
def test_inside_codes_are_those_of_the_whole_chunk(before, after, stride, seed):
    problem = make_problem(n_columns=17, stride=stride, seed=seed)
    convolution, start, stop = problem.convolution, before * stride, 17 - after
    whole = solve_convolutional_cd(convolution, problem.columns, problem.lam)
    inside = solve_between_margins(convolution, problem.columns, (start, after), problem.lam)
    expected = convolution.reconstruct(whole.codes, 17)[start:stop]
    np.testing.assert_allclose(convolution.reconstruct(inside.codes, stop - start), expected, atol=1e-5)
    assert (inside.gap, inside.iterations) == (whole.gap, whole.iterations)


@pytest.mark.parametrize("margins", [(-2, 0), (0, -1), (10, 8), (3, 0)])
def test_margins_that_do_not_fit_are_refused(margins):
    problem = make_problem(n_columns=17, stride=2)
    with pytest.raises(OptionError, match="margins"):
        solve_between_margins(problem.convolution, problem.columns, margins, problem.lam)
